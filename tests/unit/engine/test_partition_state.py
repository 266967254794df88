"""A partition's state: what it counts, what it saves, and keys of any kind."""

from __future__ import annotations

import pytest

from fraudstream.contracts.payment import Payment
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.saved import read_key

CATALOGUE = """
version: 1
entities: {account: {key: account_id, slots: SLOTS}}
features: {account.n: {aggregate: count, window: 1h}}
"""
NOON = 1_750_000_000_000


def engine_of(slots: int = 8) -> Engine:
    return Engine(compile_rule_set({"features.yaml": CATALOGUE.replace("SLOTS", str(slots))}))


def pay(event_id: str, account_id: str, t: int = NOON) -> Payment:
    return Payment(event_id, t, account_id, "1", "EUR", "debit")


def test_a_new_state_has_nothing_to_save() -> None:
    state = engine_of().new_state()
    assert (state.rows, state.changes()) == (0, [])


def test_a_change_is_saved_once() -> None:
    engine, state = engine_of(), engine_of().new_state()
    engine.judge([pay("1", "a")], state)
    assert state.changes()
    assert state.changes() == []
    engine.judge([pay("1", "a")], state)  # a repeat
    assert state.changes() == []


def test_only_what_was_touched_is_saved_again() -> None:
    engine, state = engine_of(), engine_of().new_state()
    engine.judge([pay(f"{n}", f"acc-{n}") for n in range(50)], state)
    state.changes()
    engine.judge([pay("again", "acc-7", NOON + 1)], state)
    accounts = {read_key(key)[1] for key, _ in state.changes() if key[:1] != b"\0"}
    assert accounts == {"acc-7"}


@pytest.mark.parametrize("account", ["a\0b", "a\0h", "\0", "счёт-١٢", "a b", "x" * 128])
def test_any_key_comes_back_as_it_was(account: str) -> None:
    engine = engine_of()
    state, restored = engine.new_state(), engine.new_state()
    engine.judge([pay("1", account), pay("2", "other")], state)
    restored.restore(state.changes())
    verdicts = engine.judge([pay("3", account), pay("4", "a")], restored)
    assert verdicts.features["account.n"].tolist() == [2, 1]


def test_thousands_of_accounts_keep_apart_as_the_arena_grows() -> None:
    engine = engine_of()
    state = engine.new_state()
    log = [pay(f"{n}-{k}", f"acc-{n}", NOON + k) for k in range(10) for n in range(2_000)]
    found = [engine.judge(log[begin : begin + 3_000], state) for begin in range(0, len(log), 3_000)]
    counts = [count for verdicts in found for count in verdicts.features["account.n"].tolist()]
    assert counts == [min(k + 1, 9) for k in range(10) for _ in range(2_000)]  # eight are held, and this one
    assert state.rows == 2_000
    restored = engine.new_state()
    restored.restore(state.changes())
    again = [pay(f"{n}", f"acc-{n}", NOON + 10) for n in range(2_000)]
    expected, seen = engine.judge(again, state), engine.judge(again, restored)
    assert expected.features["account.n"].tolist() == seen.features["account.n"].tolist() == [9.0] * 2_000


def test_a_quiet_account_costs_a_fraction_of_a_busy_one() -> None:
    engine = engine_of(slots=64)
    quiet, busy = engine.new_state(), engine.new_state()
    engine.judge([pay(f"{n}", f"acc-{n}") for n in range(1_000)], quiet)
    engine.judge([pay(f"{n}-{k}", f"acc-{n}", NOON + k) for n in range(1_000) for k in range(64)], busy)
    assert quiet.memory_bytes * 8 < busy.memory_bytes


def test_the_watermark_is_the_newest_time_and_is_saved() -> None:
    engine = engine_of()
    state, restored = engine.new_state(), engine.new_state()
    engine.judge([pay("1", "a", NOON), pay("2", "a", NOON - 1)], state)
    restored.restore(state.changes())
    assert state.watermark_ms == restored.watermark_ms == NOON


@pytest.mark.parametrize(("saved", "read"), [(6, 4), (64, 6)])
def test_rows_of_another_layout_are_refused(saved: int, read: int) -> None:
    """Before the machine code that would look for a block of that size."""
    state = engine_of(saved).new_state()
    engine_of(saved).judge([pay(f"{n}", "a", NOON + n) for n in range(64)], state)
    with pytest.raises(ValueError, match="another layout"):
        engine_of(read).new_state().restore(state.changes())
