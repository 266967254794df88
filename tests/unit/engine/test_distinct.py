"""The number of different values does not depend on what the hash set has counted before."""

from __future__ import annotations

from fraudstream.contracts.payment import Payment
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 8}
features:
  account.devices_1h: {aggregate: distinct, of: device_id, window: 1h}
"""
START_MS = 1_750_000_000_000


def test_values_are_counted_where_the_stamps_of_the_hash_set_begin_again() -> None:
    engine = Engine(compile_rule_set({"features.yaml": FEATURES}))
    state = engine.new_state()
    scratch = state.entities[0].scratch
    scratch.now[0] = (1 << 32) - 3
    devices = ["d1", "d1", "d2", "d1", "d3", "d3", "d1"]
    log = [
        Payment(f"p{n}", START_MS + 1000 * n, "a", "1.00", "EUR", "debit", device_id=device)
        for n, device in enumerate(devices)
    ]
    assert engine.judge(log, state).features["account.devices_1h"].tolist() == [1, 1, 2, 2, 3, 3, 3]
    assert scratch.now[0] < 10
