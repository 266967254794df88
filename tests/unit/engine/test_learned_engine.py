"""An evidence score in the engine: what a partition learns decides, is saved with its state, and is explained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from fraudstream.contracts.alert import Alert
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.trial import trial_of

NOON = 1_750_000_000_000
HOUR = 3_600_000
FEATURES = """\
version: 1
entities: {account: {key: account_id, slots: 8}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
SCORE = """\
kind: evidence
threshold: 0.02
parts:
  - {part: burst, value: account.payments_1h, normal: account.payments_1h, bins: {from: 0, step: 1, count: 20}}
  - {part: hour, value: hour, bins: {from: 0, step: 1, count: 24}, when: card_present}
  - {part: present, value: card_present}
"""
RULE_SET = compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE})
FROZEN = compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE + "learning: off\n"})


def pay(number: int, *, at: int | None = None, present: bool | None = None, account: str | None = None) -> Payment:
    t = NOON + number * 600_000 if at is None else at
    return Payment(f"e-{number}", t, account or f"a-{number % 7}", "10.00", "EUR", "debit", card_present=present)


def label(number: int, fraud: bool, at: int = NOON + 1_000 * HOUR) -> Label:
    return Label(f"e-{number}", f"a-{number % 7}", "fraud" if fraud else "genuine", at)


def some_log() -> list[Payment | Label]:
    """Bursts that turn out to be fraud, labelled three hours later, some twice."""
    log: list[Payment | Label] = []
    for number in range(400):
        bursts = number % 40 > 34
        log.append(pay(number, present=number % 3 == 0, account="b" if bursts else None))
        if number >= 18 and (number - 18) % 4 != 1:
            earlier = number - 18
            fraud = earlier % 40 > 34
            log.append(Label(f"e-{earlier}", account_of(earlier), "fraud" if fraud else "genuine", NOON + number))
            if earlier % 13 == 0:
                log.append(Label(f"e-{earlier}", account_of(earlier), "genuine", NOON + number + 1))
    return log


def account_of(number: int) -> str:
    return "b" if number % 40 > 34 else f"a-{number % 7}"


def judged(
    log: Sequence[Payment | Label], size: int, *, restarts: bool = False
) -> tuple[list[int], list[Alert], PartitionState]:
    engine = Engine(RULE_SET)
    state = engine.new_state()
    points, alerts, saved = list[int](), list[Alert](), dict[bytes, bytes]()
    for begin in range(0, len(log), size):
        verdicts = engine.judge(log[begin : begin + size], state)
        points += verdicts.score_points.tolist()
        alerts += decoded_alerts(verdicts)
        if restarts:
            saved |= dict(state.changes())
            state = engine.new_state()
            state.restore(saved.items())
    return points, alerts, state


def records_of(state: PartitionState) -> dict[bytes, bytes]:
    assert state.learned is not None
    return state.learned.records()


@pytest.mark.parametrize(("size", "restarts"), [(1, False), (7, False), (50, True), (3, True)])
def test_neither_batches_nor_restarts_change_a_score(size: int, restarts: bool) -> None:
    log = some_log()
    points, alerts, state = judged(log, len(log))
    again, same, other = judged(log, size, restarts=restarts)
    assert again == points
    assert same == alerts
    assert records_of(other) == records_of(state)
    assert len(set(points)) > 20
    assert alerts


def test_labels_of_payments_that_have_left_the_ring_are_learned() -> None:
    log: list[Payment | Label] = [pay(number, account="a") for number in range(50)]
    log += [Label("e-0", "a", "fraud", NOON + 1_000 * HOUR)]
    _, _, state = judged(log, 20)
    assert state.learned is not None
    assert state.learned.counts.labels.tolist() == [0, 1]


def test_a_corrected_label_takes_the_place_of_the_first() -> None:
    log: list[Payment | Label] = [pay(0), label(0, True), label(0, False), label(0, True, at=NOON)]
    _, _, state = judged(log, 1)
    assert state.learned is not None
    assert state.learned.counts.labels.tolist() == [1, 0]
    assert state.learned.counts.of_part.sum() == 1  # of the burst: the others had no value


def test_repeats_and_late_payments_are_not_counted() -> None:
    late = pay(90, at=NOON - 4_000 * HOUR, account="a-0")
    log = [pay(number, account="a-0") for number in range(12)] + [pay(11, account="a-0"), late]
    points, _, state = judged(log, 5)
    assert state.learned is not None
    assert state.learned.counts.seen.tolist()[0] == 12
    assert points[12] == points[11]


def test_the_parts_of_an_alert_add_up_to_its_log_odds() -> None:
    _, alerts, _ = judged(some_log(), 100)
    for alert in alerts:
        assert alert.score_parts[0].part == "base_rate"
        assert {part.unit for part in alert.score_parts} == {"bits"}
        bits = sum(part.points for part in alert.score_parts)
        assert alert.score == pytest.approx(1 / (1 + 2**-bits), abs=2e-6)
        assert alert.score >= alert.score_threshold == 0.02


def test_a_part_shows_value_and_normal() -> None:
    engine = Engine(RULE_SET)
    state = engine.new_state()
    engine.judge([pay(number, account="a") for number in range(30)], state)
    trial = trial_of(engine.judge([pay(30, account="a", present=True)], state))
    shown = {part.part: (part.value, part.normal) for part in trial.score_parts}
    assert shown["burst"] == ("6", "6")
    assert shown["present"] == ("true", None)


def test_a_part_shows_how_rare_its_value_is() -> None:
    engine = Engine(RULE_SET)
    state = engine.new_state()
    engine.judge([pay(number, at=NOON + number * 100 * HOUR, account="a") for number in range(63)], state)
    busy = [pay(100 + number, at=NOON + 9_000 * HOUR + number, account="a") for number in range(2)]
    engine.judge(busy[:1], state)
    trial = trial_of(engine.judge(busy[1:], state))
    shown = {part.part: (part.value, part.one_in) for part in trial.score_parts}
    assert (shown["base_rate"], shown["burst"]) == ((None, None), ("2", 64))
    assert (shown["hour"], shown["present"]) == (("15", None), ("missing", None))


def test_how_rare_a_value_is_stays_the_same_in_the_alert() -> None:
    _, alerts, _ = judged(some_log(), 100)
    rare = [part for alert in alerts for part in alert.score_parts if part.part == "burst"]
    assert all(part.one_in is not None and part.one_in >= 1 for part in rare)
    assert max(part.one_in or 0 for part in rare) > 10


def test_a_missing_value_and_a_guard_that_does_not_hold_are_neutral() -> None:
    engine = Engine(RULE_SET)
    state = engine.new_state()
    verdicts = engine.judge([pay(0, present=False), pay(1)], state)
    hour, present = verdicts.contributions(np.arange(2))[2:4]
    assert hour.tolist() == [0, 0]
    assert present.tolist()[1] == 0
    assert state.learned is not None
    assert state.learned.counts.seen.tolist() == [2, 0, 1]


def test_a_score_that_does_not_learn_depends_on_the_payment_alone() -> None:
    engine = Engine(FROZEN)
    state = engine.new_state()
    verdicts = engine.judge([event for event in some_log() if isinstance(event, Payment)], state)
    assert state.learned is None
    assert len(set(verdicts.score_points.tolist())) == 1
    assert verdicts.score_points[0] / 1e6 == pytest.approx(1 / 201, abs=1e-4)


def test_the_layout_of_the_state_names_what_is_learned() -> None:
    assert Engine(RULE_SET).new_state().layout != Engine(FROZEN).new_state().layout
    assert Engine(RULE_SET).any_key_counts
    assert not Engine(FROZEN).any_key_counts


def test_the_first_score_is_the_share_of_frauds_that_is_expected() -> None:
    points, _, _ = judged([pay(0)], 1)
    assert math.log2(points[0] / (1_000_000 - points[0])) == pytest.approx(-math.log2(200), abs=0.01)
