"""What becomes of a log's records before the engine sees them."""

from __future__ import annotations

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Payment
from fraudstream.engine.apply import apply
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
SCORE = "threshold: 0.9\nparts: []\n"


def record(offset: int, key: bytes | None, event_id: str = "e", account: str = "a") -> ConsumerRecord[bytes, bytes]:
    payment = Payment(event_id, 1_000, account, "1.00", "EUR", "debit")
    value = msgspec.json.encode(payment)
    return ConsumerRecord("payments", 0, offset, 1_000, 0, key, value, None, len(key or b""), len(value), ())


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE}))


def test_a_payment_without_its_account_as_key_is_refused_and_changes_nothing(engine: Engine) -> None:
    state = engine.new_state()
    result = apply(engine, state, [record(0, b"a", "e0"), record(1, None, "e1"), record(2, b"b", "e2")])
    assert result.positions.tolist() == [0]
    assert [(refused.position, refused.reason) for refused in result.refused] == [(1, "key"), (2, "key")]
    assert "no key" in result.refused[0].sentence
    again = apply(engine, state, [record(3, b"a", "e3")])
    assert again.verdicts.features["account.payments_1h"].tolist() == [2.0]  # e0 and itself


def test_refused_records_are_reported_in_the_order_of_the_log(engine: Engine) -> None:
    """Readers of dead letters drop what is not higher than they have seen."""
    ahead = record(0, b"a", "e0")
    ahead.timestamp = -engine.too_far_ahead_ms  # found by the engine
    keyless = record(1, None, "e1")  # found by its key
    garbage = record(2, b"a", "e2")  # found by decoding
    garbage.value = b"{}"
    result = apply(engine, engine.new_state(), [ahead, keyless, garbage])
    assert [refused.reason for refused in result.refused] == ["too_far_ahead", "key", "invalid"]
    assert [refused.position for refused in result.refused] == [0, 1, 2]
