"""A duplicate gets the first verdict again, marked `repeat`, and leaves no trace; a late one leaves none either."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from tests.property.batches import split
from tests.property.judged_log import judged
from tests.property.payment_logs import Log, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import BARE_ENGINES, ENGINES

_places = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


@pytest.mark.parametrize("name", BARE_ENGINES)
@EXAMPLES
@given(log=logs(), places=_places)
def test_duplicates_anywhere_change_neither_other_verdicts_nor_the_state(
    name: str, log: Log, places: list[tuple[int, int]]
) -> None:
    engine = BARE_ENGINES[name]
    added = with_duplicates(log, places)
    plain, repeated = engine.new_state(), engine.new_state()
    without = judged(engine, plain, [log])
    found = judged(engine, repeated, [[event for event, _ in added]])
    payments = [is_added for event, is_added in added if isinstance(event, Payment)]
    assert [
        verdict for verdict, is_added in zip(found.verdicts, payments, strict=True) if not is_added
    ] == without.verdicts
    assert dict(repeated.changes()) == dict(plain.changes())


@pytest.mark.parametrize("name", ENGINES)
@EXAMPLES
@given(log=logs(), cuts=st.lists(st.integers(0, 60), max_size=4))
def test_a_repeat_has_the_first_verdict_again(name: str, log: Log, cuts: list[int]) -> None:
    engine = ENGINES[name]
    state = engine.new_state()
    first: dict[str, bytes] = {}
    for batch in split(log, cuts):
        verdicts = engine.judge(batch, state)
        assert not verdicts.alerted[verdicts.repeat].any(), "a repeat alerts once more"
        assert not verdicts.fired[verdicts.repeat].any()
        for decision in verdicts.decisions():
            if decision.repeat:
                again = msgspec.structs.replace(decision, repeat=False)
                assert msgspec.json.encode(again) == first[decision.event_id]
            else:
                assert decision.late or decision.event_id not in first
                verdict = msgspec.structs.replace(decision, unmatched=())  # what the event did is not repeated
                first.setdefault(decision.event_id, msgspec.json.encode(verdict))


def with_duplicates(log: Log, places: list[tuple[int, int]]) -> list[tuple[Payment | Label, bool]]:
    """The log with copies of earlier payments put in, each event with whether it is such a copy."""
    added: list[tuple[Payment | Label, bool]] = [(event, False) for event in log]
    for place, back in places:
        at = min(place, len(added))
        before = [event for event, _ in added[:at] if isinstance(event, Payment)]
        if before:
            added.insert(at, (before[-1 - back % len(before)], True))
    return added
