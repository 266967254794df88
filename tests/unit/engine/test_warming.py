"""Features of a state that missed the beginning of its log say how much of their window it has seen."""

from __future__ import annotations

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Alert, Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.apply import apply
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set

DAY_MS = 86_400_000
START_MS = 1_750_000_000_000
RULES = {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 64}
features:
  account.payments_30d: {aggregate: count, window: 30d}
  account.payments_1d: {aggregate: count, window: 1d}
  account.age: {aggregate: age}
  account.since_last: {aggregate: since_last}
""",
    "score.yaml": "threshold: 0.9\nparts: []\n",
    "test/all.yaml": """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: All
status: live
severity: high
tags: [typology.test]
when: account.payments_30d >= 1 or account.payments_1d >= 1 or account.age >= 0s or account.since_last >= 0s
message: all
blind_spots: [none]
false_positives: [all]
""",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(compile_rule_set(RULES))


def test_features_say_how_much_of_their_window_the_state_has_seen(engine: Engine) -> None:
    state = engine.new_state()
    state.miss_the_beginning()
    assert warming_of(engine, state, 0) == {
        "account.payments_30d": "0 of 30 days",
        "account.payments_1d": "0 of 24 hours",
        "account.age": "0 of 90 days",
        "account.since_last": "0 of 90 days",
    }
    assert warming_of(engine, state, 5) == {"account.payments_30d": "5 of 30 days", "account.age": "5 of 90 days"}
    assert warming_of(engine, state, 30) == {"account.age": "30 of 90 days"}
    assert warming_of(engine, state, 90) == {}


def test_a_state_that_has_seen_the_whole_log_is_never_warming(engine: Engine) -> None:
    state = engine.new_state()
    assert [warming_of(engine, state, day) for day in (0, 1, 40)] == [{}, {}, {}]


def test_the_beginning_of_a_state_is_saved_with_it(engine: Engine) -> None:
    state, restored = engine.new_state(), engine.new_state()
    state.miss_the_beginning()
    warming_of(engine, state, 0)
    restored.restore(state.changes())
    restored.miss_the_beginning()
    assert restored.since_ms == START_MS
    assert warming_of(engine, restored, 5) == warming_of(engine, state, 5)


def test_a_record_that_changes_nothing_begins_a_state_too(engine: Engine) -> None:
    state, restored = engine.new_state(), engine.new_state()
    state.miss_the_beginning()
    apply(engine, state, [ConsumerRecord("payments", 0, 7, START_MS, 0, b"a", b"no payment", None, 1, 10, ())])
    restored.restore(state.changes())
    assert restored.since_ms == START_MS


def warming_of(engine: Engine, state: PartitionState, day: int) -> dict[str, str]:
    """What each feature says in the alert of a payment so many days after the first."""
    at = START_MS + day * DAY_MS
    value = msgspec.json.encode(Payment(f"e{day}", at, "a", "1.00", "EUR", "debit"))
    record = ConsumerRecord("payments", 0, 100 + day, at, 0, b"a", value, None, 1, len(value), ())
    [alert] = decoded_alerts(apply(engine, state, [record]).verdicts)
    assert isinstance(alert, Alert)
    return {feature.feature: feature.warming for feature in alert.features if feature.warming is not None}
