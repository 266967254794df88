"""Labels that come late: found beyond the ring, by event_id alone, within the retention, after a restore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.engine import Engine
from fraudstream.engine.kernel_types import AT_LEAST
from fraudstream.engine.label_entries import PAGE
from fraudstream.engine.label_index import LabelIndex
from fraudstream.engine.label_plan import LabelPlan, plan_labels
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set

H, D = 3_600_000, 86_400_000
NOON = 1_750_000_000_000

CATALOGUE = """
version: 1
labels: {retention: 30d}
entities:
  account: {key: account_id, slots: 4}
  merchant: {key: merchant_id, slots: 4, panes: {width: 1d, count: 40}}
features:
  account.n: {aggregate: count, window: 1h}
  merchant.risk: {aggregate: risk, window: 30d, prior: 0.5, strength: 2}
  merchant.last: {aggregate: risk_last, last: 3}
"""
ENGINE = Engine(compile_rule_set({"features.yaml": CATALOGUE}))

Log = Sequence[Payment | Label]


def pay(n: int, t: int, account: str = "a", merchant: str | None = "m", **more: Any) -> Payment:
    return Payment(f"e-{n}", t, account, "1", "EUR", "debit", merchant_id=merchant, **more)


def label(n: int, value: Any = "fraud", at: int = NOON, account: str = "a") -> Label:
    return Label(f"e-{n}", account, value, at)


def risk(state: PartitionState, log: Log, merchant: str = "m", t: int = NOON + 20 * D) -> tuple[float, float]:
    """Risk and share of the last labels that a payment after the log sees."""
    verdicts = ENGINE.judge([*log, pay(10_000, t, "other", merchant)], state)
    return float(verdicts.features["merchant.risk"][-1]), float(verdicts.features["merchant.last"][-1])


def index_of(state: PartitionState) -> LabelIndex:
    assert state.labels is not None
    return state.labels


PAID = [pay(n, NOON + n * H) for n in range(20)]  # the rings hold the last four


@pytest.mark.parametrize("n", [0, 19])  # in a pane, in the ring
def test_a_label_that_names_only_the_event_reaches_the_merchant(n: int) -> None:
    assert risk(ENGINE.new_state(), PAID)[0] == 0.5
    assert risk(ENGINE.new_state(), [*PAID, label(n)]) == (2 / 3, 1.0)
    assert risk(ENGINE.new_state(), [*PAID, label(n, "genuine")]) == (1 / 3, 0.0)


@pytest.mark.parametrize("n", [0, 19])
def test_the_newest_label_counts_once_wherever_its_payment_is(n: int) -> None:
    genuine, fraud = label(n, "genuine", NOON + 1), label(n, "fraud", NOON + 2)
    for log in ([genuine, fraud], [fraud, genuine], [fraud, fraud, genuine]):
        assert risk(ENGINE.new_state(), [*PAID, *log]) == (2 / 3, 1.0)


def test_a_payment_labelled_in_the_ring_is_corrected_in_the_pane() -> None:
    later = [pay(100 + n, NOON + D + n * H) for n in range(10)]
    assert risk(ENGINE.new_state(), [*PAID, label(19), *later]) == (2 / 3, 1.0)
    assert risk(ENGINE.new_state(), [*PAID, label(19), *later, label(19, "genuine", NOON + 1)]) == (1 / 3, 0.0)


def test_a_payment_that_was_taken_back_does_not_count_whether_it_has_left_the_ring_or_not() -> None:
    back = Payment(
        "back", NOON + 20 * H, "a", "1", "EUR", "credit", merchant_id="m", kind="reversal", relates_to="e-19"
    )
    later = [pay(100 + n, NOON + D + n * H) for n in range(10)]
    logs: list[Log] = [
        [*PAID, back, label(19)],
        [*PAID, back, *later, label(19)],
        [*PAID, label(19), back, *later],
    ]
    for log in logs:
        assert risk(ENGINE.new_state(), log)[0] == 0.5


def test_a_label_of_a_capture_is_one_of_its_payment() -> None:
    capture = replace(pay(50, NOON + 20 * H), kind="capture", relates_to="e-19")
    later = [pay(100 + n, NOON + D + n * H) for n in range(10)]
    assert risk(ENGINE.new_state(), [*PAID, capture, *later, label(50)]) == (2 / 3, 1.0)


def test_a_label_older_than_the_retention_is_lost_and_counted_and_the_answer_says_so() -> None:
    later = [pay(100 + n, NOON + 31 * D + n, "b", "other") for n in range(3)]
    verdicts = ENGINE.judge([*PAID, *later, label(0), pay(200, NOON + 29 * D, "b")], ENGINE.new_state())
    assert (verdicts.labels, verdicts.labels_unmatched) == (1, 1)
    assert verdicts.features["merchant.risk"][-1] == 0.5
    assert verdicts.errors["merchant.risk"][-1] == AT_LEAST


def test_the_label_of_another_account_changes_nothing() -> None:
    state = ENGINE.new_state()
    share, last = risk(state, [*PAID, pay(50, NOON, "b", "n"), label(0, account="b")])
    assert share == 0.5
    assert np.isnan(last)


def test_lost_labels_have_a_cause_and_found_ones_a_lag() -> None:
    late: list[Payment | Label] = [pay(100, NOON + 31 * D, "b", "other"), label(0), label(999), label(100, account="a")]
    verdicts = ENGINE.judge([*PAID, label(3, at=NOON + 5 * H), *late], ENGINE.new_state())
    assert verdicts.label_results.unmatched == {"expired": 1, "unknown": 1, "other_account": 1}
    assert verdicts.label_results.lag_ms.tolist() == [2 * H]


def test_no_index_is_kept_where_nothing_reads_labels() -> None:
    text = "version: 1\nentities: {account: {key: account_id}}\nfeatures: {account.n: {aggregate: count, window: 1h}}"
    assert Engine(compile_rule_set({"features.yaml": text})).new_state().labels is None


def test_the_retention_is_chosen_by_the_features_and_a_day() -> None:
    def plan(feature: str) -> LabelPlan:
        text = f"version: 1\nentities: {{account: {{key: account_id}}}}\nfeatures: {{account.f: {{{feature}}}}}"
        engine = Engine(compile_rule_set({"features.yaml": text}))
        state = engine.new_state()
        return index_of(state).plan

    assert plan("aggregate: risk, window: 30d, delay: 7d").retention_ms == 38 * D
    assert plan("aggregate: risk_last, last: 1").retention_ms == 61 * D


def test_expired_pages_are_dropped_and_their_places_used_again() -> None:
    state, sizes = ENGINE.new_state(), []
    for day in range(120):
        ENGINE.judge([pay(day * 100 + n, NOON + day * D + n) for n in range(100)], state)
        sizes.append((index_of(state).entries, index_of(state).memory_bytes))
    assert max(entries for entries, _ in sizes) <= 31 * 100 + 2 * PAGE
    assert max(size for _, size in sizes[40:]) == max(size for _, size in sizes)
    assert len(index_of(state).arrays.event) <= 2 * 32 * 100
    assert risk(state, [label(11_999)], t=NOON + 120 * D)[0] == 2 / 3


def test_an_entry_takes_few_bytes_of_a_changelog_and_of_memory() -> None:
    state = ENGINE.new_state()
    ENGINE.judge([pay(n, NOON + n, f"a-{n}", f"m-{n}") for n in range(64 * PAGE)], state)
    saved = [len(key) + len(value) for key, value in state.changes() if key.startswith(b"\0labels\0e")]
    assert sum(saved) / (64 * PAGE) < 34
    assert index_of(state).memory_bytes / (64 * PAGE) < 60
    ENGINE.judge([Label("e-7", "a-7", "fraud", NOON)], state)
    assert sum(len(key) + len(value) for key, value in state.changes() if key.startswith(b"\0labels\0")) < 650


def test_a_restored_index_equals_the_saved_one_byte_for_byte() -> None:
    state, restored = ENGINE.new_state(), ENGINE.new_state()
    changelog: dict[bytes, bytes] = {}
    for day in range(50):
        log: list[Payment | Label] = [pay(day * 100 + n, NOON + day * D + n, f"a-{n % 7}") for n in range(100)]
        log += [label(day * 100 + n - 900, account=f"a-{n % 7}") for n in range(0, 100, 9)]
        ENGINE.judge(log, state)
        for key, value in state.changes():  # compacted: the last record of each key, in its order
            changelog.pop(key, None)
            changelog[key] = value
    restored.restore(changelog.items())
    found, expected = index_of(restored), index_of(state)
    found.begin_batch(0)
    assert (found.position, found.entries) == (expected.position, expected.entries)
    first, count, _ = expected.position
    for number in range(first * PAGE, count):
        places = [int(i.arrays.page[number // PAGE & (len(i.arrays.page) - 1)]) for i in (found, expected)]
        assert places[0] == places[1]
        at = places[0] * PAGE + number % PAGE
        for name in ("event", "t", "labelled_ms", "label", "row", "mask", "bins"):
            assert getattr(found.arrays, name)[at].tobytes() == getattr(expected.arrays, name)[at].tobytes(), name
    log = [label(4_200, account="a-0"), label(4_950, account="a-1")]
    assert risk(restored, log, t=NOON + 50 * D) == risk(state, log, t=NOON + 50 * D)


def test_what_a_scorer_keeps_of_a_payment_is_there_for_its_label_after_a_restore() -> None:
    plans = ENGINE.new_state().entities
    plan = plan_labels(ENGINE.rule_set.catalogue, [entity.plan for entity in plans], [], bins=3)
    assert plan is not None

    def state() -> PartitionState:
        new = ENGINE.new_state()
        new.labels = LabelIndex(plan, {entity.plan.entity.name: entity.index for entity in new.entities})
        return new

    first, restored = state(), state()
    ENGINE.judge(PAID, first)
    index = index_of(first)
    index.arrays.bins[:20] = np.arange(60).reshape(20, 3)
    restored.restore(first.changes())
    index = index_of(restored)
    index.begin_batch(0)
    assert index.arrays.bins[7].tolist() == [21, 22, 23]
