"""Where a batch ends changes nothing: features, how they were answered, decisions, the bytes of alerts, the state."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.payment import Payment
from tests.property.batches import split
from tests.property.judged_log import judged
from tests.property.payment_logs import BEGIN_MS, DAY_MS, Log, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import ENGINES

_cuts = st.lists(st.integers(0, 60), max_size=8)


@pytest.mark.parametrize("name", ENGINES)
@EXAMPLES
@given(log=logs(), cuts=_cuts)
def test_any_split_of_the_log_gives_the_same_verdicts_and_state(name: str, log: Log, cuts: list[int]) -> None:
    engine = ENGINES[name]
    whole, pieces = engine.new_state(), engine.new_state()
    assert judged(engine, pieces, split(log, cuts)) == judged(engine, whole, [log])
    assert dict(pieces.changes()) == dict(whole.changes())


@pytest.mark.parametrize("name", ENGINES)
@EXAMPLES
@given(log=logs())
def test_one_by_one_is_as_all_at_once(name: str, log: Log) -> None:
    engine = ENGINES[name]
    whole, pieces = engine.new_state(), engine.new_state()
    assert judged(engine, pieces, [[event] for event in log]) == judged(engine, whole, [log])
    assert dict(pieces.changes()) == dict(whole.changes())


@EXAMPLES
@given(log=logs(), cuts=_cuts, spoilt=st.sets(st.integers(0, 40), max_size=10))
def test_rejected_payments_change_nothing_for_the_others(log: Log, cuts: list[int], spoilt: set[int]) -> None:
    """Some payments have a wrong amount, currency or time, or lie too far ahead of the time of publication."""
    engine = ENGINES["paned"]
    bad: Log = [
        spoil(event, number) if number in spoilt and isinstance(event, Payment) else event
        for number, event in enumerate(log)
    ]
    good = [event for number, event in enumerate(bad) if event is log[number]]
    with_bad, without = engine.new_state(), engine.new_state()
    published_at_ms = BEGIN_MS + 4_000 * DAY_MS
    found = judged(engine, with_bad, split(bad, cuts), published_at_ms)
    clean = judged(engine, without, [good], published_at_ms)
    assert found._replace(rejected=[]) == clean
    assert [position for position, *_ in found.rejected] == [n for n, event in enumerate(bad) if event is not log[n]]
    assert dict(with_bad.changes()) == dict(without.changes())


def spoil(payment: Payment, number: int) -> Payment:
    faults: list[dict[str, object]] = [
        {"amount": "1e5"},
        {"currency": "XXX"},
        {"occurred_at": -1},
        {"occurred_at": BEGIN_MS + 4_002 * DAY_MS},
        {"attributes": {"trusted": "yes"}},
    ]
    return msgspec.structs.replace(payment, **faults[number % len(faults)])
