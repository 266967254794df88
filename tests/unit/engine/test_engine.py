"""The engine on small logs that can be followed by eye: windows, labels, lateness, duplicates, what is held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import pytest

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.columns import Rejection
from fraudstream.engine.engine import Engine
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.verdict import Verdicts

S, M, H, D = 1_000, 60_000, 3_600_000, 86_400_000
NOON = 1_750_000_000_000 // D * D + D // 2

Log: TypeAlias = list[Payment | Label]


def engine_of(features: str, account: str = "slots: 4") -> Engine:
    """An engine with features of the account and of the device, no rules."""
    entities = f"{{account: {{key: account_id, {account}}}, device: {{key: device_id, slots: 8}}}}"
    return Engine(compile_rule_set({"features.yaml": f"version: 1\nentities: {entities}\nfeatures:\n{features}"}))


def pay(event_id: str, t: int, amount: str = "1", currency: str = "EUR", **more: Any) -> Payment:
    return Payment(event_id, t, more.pop("account_id", "a"), amount, currency, "debit", **more)


def label(payment: Payment, value: Any = "fraud", **more: Any) -> Label:
    return Label(payment.event_id, payment.account_id, value, NOON, **more)


def judge(engine: Engine, events: Sequence[Payment | Label]) -> Verdicts:
    return engine.judge(events, engine.new_state())


def values(verdicts: Verdicts, name: str) -> list[float | None]:
    return [None if math.isnan(value) else value for value in verdicts.features[name].tolist()]


def test_a_window_is_open_at_its_old_end_and_closed_at_its_new_one() -> None:
    """
             t-1m              t
    ──────────┤━━━━━━━━━━━━━━━━┝───  (t - 1m, t]
          out   in         in
    """
    engine = engine_of("  account.n: {aggregate: count, window: 1m, includes: false}")
    log = [
        pay("out", NOON - M),
        pay("in", NOON - M + 1),
        pay("same time", NOON),
        pay("later", NOON + 1),
        pay("this", NOON),
    ]
    assert values(judge(engine, log), "account.n")[-1] == 2


def test_a_delayed_window_ends_before_the_payment_and_never_holds_it() -> None:
    """
         t-2m             t-1m            t
    ──────┤━━━━━━━━━━━━━━━━┝──────────────┼──  window 1m, delay 1m
     out    in          in   out
    """
    engine = engine_of("  account.n: {aggregate: count, window: 1m, delay: 1m}")
    log = [
        pay("1", NOON - 2 * M),
        pay("2", NOON - 2 * M + 1),
        pay("3", NOON - M),
        pay("4", NOON - M + 1),
        pay("5", NOON),
    ]
    assert values(judge(engine, log), "account.n")[-1] == 2


def test_windows_reach_back_before_the_epoch_without_harm() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 90d}\n  account.age: {aggregate: age}")
    verdicts = judge(engine, [pay("1", 0), pay("2", 0), pay("3", 1)])
    assert values(verdicts, "account.n") == [1, 2, 3]
    assert values(verdicts, "account.age") == [0, 0, 1]


def test_amounts_are_compared_with_those_of_their_own_currency() -> None:
    engine = engine_of("  account.sum: {aggregate: sum, window: 1h}\n  account.n: {aggregate: count, window: 1h}")
    log = [pay("1", NOON, "2"), pay("2", NOON, "300", "JPY"), pay("3", NOON, "1.005", "KWD"), pay("4", NOON, "5")]
    verdicts = judge(engine, log)
    assert values(verdicts, "account.sum") == [200, 300, 1005, 700]
    assert values(verdicts, "account.n") == [1, 2, 3, 4]


def test_sums_of_the_largest_amounts_do_not_drift() -> None:
    engine = engine_of("  account.sum: {aggregate: sum, window: 1h}", "slots: 16")
    log = [pay(str(n), NOON, "9999999999999.99") for n in range(9)]
    assert values(judge(engine, log), "account.sum")[-1] == 9 * (10**15 - 1)


def test_what_is_empty_is_zero_or_missing() -> None:
    aggregates = ("count", "sum", "mean", "min", "max", "std")
    lines = [f"  account.{name}: {{aggregate: {name}, window: 1h, includes: false}}" for name in aggregates]
    lines += ["  account.share: {aggregate: share, of: fraud, window: 1h, includes: false}"]
    lines += ["  account.distinct: {aggregate: distinct, of: device_id, window: 1h}"]
    lines += ["  account.since: {aggregate: since_last}", "  account.age: {aggregate: age}"]
    lines += [
        "  account.new: {aggregate: first_seen, of: device_id, window: 1h}",
        "  account.km: {aggregate: distance}",
    ]
    verdicts = judge(engine_of("\n".join(lines)), [pay("1", NOON)])
    zero = {name for name in verdicts.features if values(verdicts, name) == [0]}
    missing = {name for name in verdicts.features if values(verdicts, name) == [None]}
    assert {name.partition(".")[2] for name in zero} == {"count", "sum", "share", "distinct", "age"}
    assert {name.partition(".")[2] for name in missing} == {"mean", "min", "max", "std", "since", "new", "km"}


def test_a_payment_out_of_order_takes_its_place_while_that_is_held() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}\n  account.since: {aggregate: since_last}")
    verdicts = judge(engine, [pay("1", NOON), pay("3", NOON + 2 * H), pay("2", NOON + H - 1), pay("4", NOON + 2 * H)])
    assert values(verdicts, "account.n") == [1, 1, 2, 2]
    assert values(verdicts, "account.since") == [None, 2 * H, H - 1, 0]
    assert verdicts.late.tolist() == [False] * 4


def test_a_late_payment_is_judged_flagged_and_not_remembered() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}\n  account.age: {aggregate: age}")
    log = [pay(str(n), NOON + n * H) for n in range(6)]  # four are held, two have left
    state = engine.new_state()
    engine.judge(log, state)
    before = dict(state.changes())
    verdicts = engine.judge([pay("late", NOON + H - 1)], state)
    assert verdicts.late.tolist() == [True]
    assert verdicts.decisions()[0].late
    assert verdicts.errors["account.n"].tolist() == [AT_LEAST]
    assert before
    assert state.changes() == []


def test_a_duplicate_is_found_by_its_id_alone() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}")
    verdicts = judge(engine, [pay("1", NOON), pay("1", NOON + M, "5", device_id="d"), pay("2", NOON + M)])
    assert verdicts.repeat.tolist() == [False, True, False]
    assert values(verdicts, "account.n")[2] == 2


@pytest.mark.parametrize(
    ("again", "altered"),
    [
        (pay("1", NOON, device_id="d"), False),
        (pay("1", NOON, "1.00", device_id="d", merchant_id="m"), False),
        (pay("1", NOON, "5", device_id="d"), True),
        (pay("1", NOON, currency="USD", device_id="d"), True),
        (pay("1", NOON + 1, device_id="d"), True),
        (pay("1", NOON, device_id="e"), True),
        (pay("1", NOON), True),
    ],
)
@pytest.mark.parametrize("restored", [False, True])
def test_a_repeat_says_whether_it_is_what_was_decided(again: Payment, altered: bool, restored: bool) -> None:
    """As far as the account's state shows: its features look at devices, not at merchants."""
    engine = engine_of("  account.devices: {aggregate: distinct, of: device_id, window: 1h}")
    state = engine.new_state()
    first = engine.judge([pay("1", NOON, device_id="d"), pay("2", NOON)], state).decisions()[0]
    if restored:
        changes = state.changes()
        state = engine.new_state()
        state.restore(changes)
    [decision] = engine.judge([again], state).decisions()
    assert (decision.repeat, decision.altered) == (True, altered)
    assert (decision.outcome, decision.score) == (first.outcome, first.score)


def test_the_same_id_in_another_account_is_another_payment() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}")
    verdicts = judge(engine, [pay("1", NOON), pay("1", NOON, account_id="b")])
    assert verdicts.repeat.tolist() == [False, False]


def test_a_duplicate_that_comes_late_is_counted_once_by_every_entity() -> None:
    """The account no longer holds it, and so calls it late; the device, which is less busy, must not count it again."""
    engine = engine_of("  device.n: {aggregate: count, window: 90d, includes: false}")
    first = pay("first", NOON, device_id="d")
    log = [first, *[pay(str(n), NOON + n * H) for n in range(1, 6)], first, pay("last", NOON + 6 * H, device_id="d")]
    verdicts = judge(engine, log)
    assert verdicts.late.tolist() == [False] * 6 + [True, False]
    assert values(verdicts, "device.n")[-1] == 1


def test_a_label_counts_from_its_position_and_the_last_one_holds() -> None:
    engine = engine_of("  account.fraud: {aggregate: share, of: fraud, window: 1h, includes: false}")
    first = pay("1", NOON)
    log: Log = [
        label(first),
        first,
        pay("2", NOON),
        label(first),
        pay("3", NOON),
        label(first, "genuine"),
        pay("4", NOON),
    ]
    verdicts = judge(engine, log)
    assert values(verdicts, "account.fraud") == [0, 0, 0.5, 0]
    assert (verdicts.labels, verdicts.labels_unmatched) == (3, 1)
    assert verdicts.positions.tolist() == [1, 2, 4, 6]


@pytest.mark.parametrize(
    ("labels", "share"),
    [
        ([("fraud", 1), ("genuine", 2)], 0.0),
        ([("genuine", 2), ("fraud", 1)], 0.0),  # an older label that arrives later
        ([("fraud", 2), ("genuine", 1), ("genuine", 2)], 0.0),
        ([("genuine", 2), ("fraud", 2)], 1.0),  # of one moment: the log's order
        ([("fraud", 0), ("genuine", 0)], 0.0),
        ([("genuine", 3), ("fraud", 1), ("fraud", 3)], 1.0),
    ],
)
def test_the_newest_label_counts_in_whatever_order_labels_arrive(labels: list[tuple[str, int]], share: float) -> None:
    engine = engine_of("  account.fraud: {aggregate: share, of: fraud, window: 1h, includes: false}")
    first = pay("1", NOON)
    dated: Log = [msgspec.structs.replace(label(first, value), labelled_at=at) for value, at in labels]
    for restored in (False, True):
        state, saved = engine.new_state(), []
        for event in (first, *dated):
            engine.judge([event], state)
            if restored:
                saved += state.changes()
                state = engine.new_state()
                state.restore(saved)
        assert values(engine.judge([pay("2", NOON)], state), "account.fraud") == [share]


def test_a_label_from_the_future_is_refused_and_changes_nothing() -> None:
    engine = engine_of("  account.fraud: {aggregate: share, of: fraud, window: 1h, includes: false}")
    first, state = pay("1", NOON), engine.new_state()
    ahead, at_limit = (msgspec.structs.replace(label(first), labelled_at=NOON + D + n) for n in (1, 0))
    verdicts = engine.judge([first, ahead, pay("2", NOON)], state, [NOON] * 3)
    assert values(verdicts, "account.fraud")[-1] == 0
    assert (verdicts.labels, verdicts.positions.tolist()) == (0, [0, 2])
    assert verdicts.rejected == [
        Rejection(
            1,
            "too_far_ahead",
            "labelled_at lies 1d after the label was published; 1d is allowed. Check the clock.",
            "$.labelled_at",
        )
    ]
    assert values(engine.judge([at_limit, pay("3", NOON)], state, [NOON] * 2), "account.fraud") == [0.5]


@pytest.mark.parametrize(
    ("labelled_at", "sentence"),
    [
        (NOON // 1_000, "labelled_at looks like seconds since the epoch; give milliseconds, or a date and time with"),
        (-1, "labelled_at lies outside the years 1970 to 2199."),
        (10**30, "labelled_at lies outside the years 1970 to 2199."),
    ],
)
def test_a_label_of_no_time_is_refused(labelled_at: int, sentence: str) -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}")
    first = pay("1", NOON)
    refused = msgspec.structs.replace(label(first), labelled_at=labelled_at)
    (rejection,) = engine.judge([first, refused], engine.new_state(), [NOON] * 2).rejected
    assert (rejection.position, rejection.reason, rejection.path) == (1, "invalid", "$.labelled_at")
    assert rejection.sentence.startswith(sentence)


def test_a_label_finds_its_payment_whatever_time_it_says_the_payment_has() -> None:
    engine = engine_of("  account.fraud: {aggregate: share, of: fraud, window: 1h, includes: false}")
    first = pay("1", NOON)
    for moment, share in ((NOON, 1.0), (NOON + 1, 1.0), (NOON // H * H, 1.0), (None, 1.0)):
        log: Log = [first, label(first, payment_occurred_at=moment), pay("2", NOON)]
        assert values(judge(engine, log), "account.fraud")[-1] == share


def test_a_label_reaches_every_entity_of_its_payment_whatever_it_names() -> None:
    engine = engine_of("  device.fraud: {aggregate: share, of: fraud, window: 1h, includes: false}")
    first = pay("1", NOON, device_id="d")
    for device in ("d", None, "e"):
        log: Log = [first, label(first, device_id=device), pay("2", NOON, device_id="d")]
        assert values(judge(engine, log), "device.fraud")[-1] == 1.0


def test_a_label_makes_no_row_for_an_account_that_never_paid() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}")
    state = engine.new_state()
    verdicts = engine.judge([label(pay("1", NOON))], state)
    assert (verdicts.n, verdicts.labels, verdicts.labels_unmatched) == (0, 1, 1)
    assert (state.rows, state.changes()) == (0, [])


def test_a_label_finds_its_payment_in_the_pane_once_that_has_left_the_ring() -> None:
    features = "  account.fraud: {aggregate: share, of: fraud, window: 30d, includes: false}"
    engine = engine_of(features, "slots: 4, panes: {width: 3d, count: 14}")
    first = pay("0", NOON)
    log: Log = [first, *[pay(str(n), NOON + n * H) for n in range(1, 8)], label(first)]
    verdicts = judge(engine, [*log, pay("last", NOON + D)])
    assert verdicts.labels_unmatched == 0
    assert (verdicts.errors["account.fraud"][-1], values(verdicts, "account.fraud")[-1]) == (PANE, 1 / 8)
    corrected: Log = [*log, label(first, "genuine"), pay("last", NOON + D)]
    assert values(judge(engine, corrected), "account.fraud")[-1] == 0.0


def test_a_label_whose_payment_is_older_than_the_retention_is_counted_and_its_share_is_not_called_exact() -> None:
    features = "  account.fraud: {aggregate: share, of: fraud, window: 30d, includes: false}\nlabels: {retention: 1d}"
    engine = engine_of(features, "slots: 4, panes: {width: 3d, count: 14}")
    first = pay("0", NOON)
    log: Log = [first, *[pay(str(n), NOON + n * D) for n in range(1, 8)], label(first)]
    verdicts = judge(engine, [*log, pay("last", NOON + 8 * D)])
    assert verdicts.labels_unmatched == 1
    assert verdicts.errors["account.fraud"][-1] == AT_LEAST


def test_a_mean_by_pane_counts_the_amounts_of_its_currency_alone() -> None:
    features = "  account.mean: {aggregate: mean, window: 30d, includes: false}"
    engine = engine_of(features, "slots: 4, panes: {width: 3d, count: 14}")
    log = [pay(str(n), NOON + n * H, "1", "EUR" if n % 2 == 0 else "USD") for n in range(12)]
    verdicts = judge(engine, [*log, pay("last", NOON + D)])
    assert verdicts.errors["account.mean"][-1] == PANE
    assert values(verdicts, "account.mean")[-1] == 100


def test_a_second_currency_is_a_bound_where_panes_keep_the_first() -> None:
    features = "  account.sum: {aggregate: sum, window: 30d, includes: false}"
    engine = engine_of(features, "slots: 4, panes: {width: 3d, count: 14}")
    log = [pay(str(n), NOON + n * H, "1", "EUR" if n % 2 == 0 else "USD") for n in range(12)]
    verdicts = judge(engine, [*log, pay("last", NOON + D, "1", "USD")])
    assert verdicts.errors["account.sum"][-1] == AT_LEAST
    assert values(verdicts, "account.sum")[-1] == 200


def test_a_late_payment_is_not_answered_from_panes_that_are_gone() -> None:
    features = "  account.n: {aggregate: count, window: 3d, includes: false}"
    engine = engine_of(features, "slots: 4, panes: {width: 1d, count: 4}")
    log = [pay(str(n), NOON + n * H) for n in range(3)] + [pay(str(n), NOON + n * 10 * D) for n in range(3, 12)]
    verdicts = judge(engine, [*log, pay("late", NOON + 4 * H)])
    assert verdicts.late[-1]
    assert verdicts.errors["account.n"][-1] == AT_LEAST


def test_a_place_that_has_left_the_ring_is_missed_and_said_to_be() -> None:
    engine = engine_of("  account.km: {aggregate: distance}")
    log = [pay("0", NOON, lat=1.0, lon=1.0), *[pay(str(n), NOON + n * M) for n in range(1, 5)]]
    here = pay("last", NOON + H, lat=2.0, lon=1.0)
    assert judge(engine, [*log[:4], here]).errors["account.km"][-1] == EXACT
    verdicts = judge(engine, [*log, here])
    assert values(verdicts, "account.km")[-1] is None
    assert verdicts.errors["account.km"][-1] == AT_LEAST


def test_positions_point_into_the_events_past_labels_and_rejections() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}")
    first = pay("1", NOON)
    log: Log = [
        label(first),
        pay("bad", NOON, "x"),
        first,
        label(first),
        pay("far", NOON + 9 * D),
        pay("2", NOON, "2", "XXX"),
        pay("3", NOON),
    ]
    verdicts = engine.judge(log, engine.new_state(), [NOON] * len(log))
    assert verdicts.positions.tolist() == [2, 6]
    assert [(r.position, r.reason) for r in verdicts.rejected] == [(1, "amount"), (4, "too_far_ahead"), (5, "currency")]
    assert [decision.event_id for decision in verdicts.decisions()] == ["1", "3"]
    assert values(verdicts, "account.n") == [1, 2]


def test_no_events_are_no_verdicts() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}")
    state = engine.new_state()
    verdicts = engine.judge([], state, [])
    assert (verdicts.n, verdicts.decisions(), decoded_alerts(verdicts), verdicts.rejected) == (0, [], [], [])
    assert state.changes() == []


def test_one_payment_of_every_kind_of_rejection_leaves_the_watermark() -> None:
    engine = engine_of("  account.n: {aggregate: count, window: 1h}")
    state = engine.new_state()
    engine.judge([pay("1", NOON)], state)
    engine.judge([pay("far", NOON + 9 * D), pay("x", NOON + H, "x")], state, [NOON, NOON])
    assert state.watermark_ms == NOON
