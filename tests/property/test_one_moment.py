"""Payments of one moment have the order of the log: none of them is late, however many there are.

           floor
a a a a a a │ b          a: more payments of one moment than the ring holds; b: a later one
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fraudstream.contracts.payment import Payment
from fraudstream.engine.arena import FLOOR_EVENTS_MAX
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set
from tests.property.payment_logs import BEGIN_MS
from tests.property.profile import EXAMPLES

ENGINES = {
    slots: Engine(
        compile_rule_set(
            {
                "features.yaml": f"""
version: 1
entities:
  account: {{key: account_id, slots: {slots}, panes: {{width: 1d, count: 4}}}}
  device: {{key: device_id, slots: 4, panes: {{width: 1d, count: 4}}}}
features:
  account.payments_1h: {{aggregate: count, window: 1h}}
  account.paid_2d: {{aggregate: sum, of: amount, window: 2d}}
  account.since_last: {{aggregate: since_last}}
  device.payments_2d: {{aggregate: count, window: 2d}}
  device.last_country: {{aggregate: last, of: country}}
"""
            }
        )
    )
    for slots in (4, 6, 34)
}
COUNTRIES = ("DE", "FR", "AT", None)


def payments_of_one_moment(count: int) -> list[Payment]:
    return [
        Payment(f"e-{n}", BEGIN_MS, "a", "1.00", "EUR", "debit", device_id="d", country=COUNTRIES[n % len(COUNTRIES)])
        for n in range(count)
    ]


@pytest.mark.parametrize("slots", ENGINES)
@EXAMPLES
@given(count=st.integers(1, 200), cuts=st.lists(st.integers(0, 200), max_size=3))
def test_no_payment_of_one_moment_is_late_and_every_one_counts(slots: int, count: int, cuts: list[int]) -> None:
    engine, log = ENGINES[slots], payments_of_one_moment(count)
    state = engine.new_state()
    begin_ends = pairwise(sorted({0, count, *(min(cut, count) for cut in cuts)}))
    parts = [engine.judge(log[begin:end], state) for begin, end in begin_ends]
    assert not any(part.late.any() or part.repeat.any() for part in parts)
    paid = [value for part in parts for value in part.features["account.paid_2d"].tolist()]
    assert paid == [100.0 * (n + 1) for n in range(count)]
    by_device = [value for part in parts for value in part.features["device.payments_2d"].tolist()]
    assert by_device == [n + 1.0 for n in range(count)]


@pytest.mark.parametrize("slots", ENGINES)
@EXAMPLES
@given(count=st.integers(1, 200), copied=st.integers(0, 200), saved=st.booleans())
def test_a_copy_of_a_payment_of_one_moment_does_not_count_again(
    slots: int, count: int, copied: int, saved: bool
) -> None:
    """The last `slots` are repeats; of those before them the state knows `FLOOR_EVENTS_MAX`."""
    engine, log = ENGINES[slots], payments_of_one_moment(count)
    state = engine.new_state()
    engine.judge(log, state)
    back = copied % min(count, slots + FLOOR_EVENTS_MAX)
    state = _restored(engine, state) if saved else state
    verdicts = engine.judge([log[-1 - back]], state)
    assert (bool(verdicts.repeat[0]), bool(verdicts.late[0])) == (back < slots, back >= slots)
    after = engine.judge([structs.replace(log[0], event_id="next")], state)
    assert after.features["account.paid_2d"].tolist() == [100.0 * (count + 1)]


@pytest.mark.parametrize("slots", ENGINES)
def test_before_the_moment_is_late_and_after_it_is_not(slots: int) -> None:
    engine, log = ENGINES[slots], payments_of_one_moment(slots + 1)
    before, after = (structs.replace(log[0], event_id=str(by), occurred_at=BEGIN_MS + by) for by in (-1, 1))
    at = structs.replace(log[0], event_id="at")
    verdicts = engine.judge([*log, before, at, after], engine.new_state())
    assert verdicts.late.tolist() == [False] * len(log) + [True, False, False]


def _restored(engine: Engine, state: PartitionState) -> PartitionState:
    again = engine.new_state()
    again.restore(state.changes())
    return again
