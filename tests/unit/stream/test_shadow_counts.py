"""What shadow scores and rules made of a batch, as the observer is told."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.alert import Alert
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.stream.shadow_counts import shadow_alerts, shadow_rules, shadow_scores
from tests.unit.engine.trees_of_rules import model_bytes, with_models

NOON = 1_750_000_000_000
BY_AMOUNT = model_bytes(["amount", "account.payments_1h"], (0, 100.0, -2.0, 1.0), (1, 2.0, -0.5, 0.5))


def pay(number: int, amount: str) -> Payment:
    return Payment(f"e-{number}", NOON + number, f"a-{number}", amount, "EUR", "debit")


def test_a_champions_alerts_are_compared_with_those_of_the_score() -> None:
    rule_set = with_models({"trees": BY_AMOUNT}, "champion: trees")
    engine = Engine(rule_set)
    log = [pay(1, "100"), pay(2, "500"), pay(3, "500"), pay(2, "500")]
    verdicts = engine.judge(log, engine.new_state())
    assert rule_set.shadow_thresholds == {"score": rule_set.base_score.threshold_points}
    assert shadow_scores(verdicts)["score"].tolist() == (verdicts.shadow_points["score"][:3] / POINTS_MAX).tolist()
    assert shadow_alerts(verdicts) == {("score", "alert"): 0, ("score", "none"): 0}


def test_a_challengers_alerts_are_told_apart_by_the_live_verdict() -> None:
    engine = Engine(with_models({"trees": BY_AMOUNT}, "challengers: [trees]"))
    verdicts = engine.judge([pay(1, "100"), pay(2, "500"), pay(3, "500"), pay(2, "500")], engine.new_state())
    assert shadow_alerts(verdicts) == {("trees", "alert"): 0, ("trees", "none"): 2}


def test_alerts_show_the_shadow_scores_of_their_payment() -> None:
    engine = Engine(with_models({"trees": BY_AMOUNT}, "champion: trees"))
    verdicts = engine.judge([pay(1, "500")], engine.new_state())
    [alert] = decoded_alerts(verdicts)
    assert alert.shadow_scores == {"score": int(verdicts.shadow_points["score"][0]) / POINTS_MAX}
    assert msgspec.json.decode(msgspec.json.encode(alert), type=Alert) == alert


def test_without_shadow_scores_nothing_is_counted() -> None:
    engine = Engine(with_models({}, "{}"))
    verdicts = engine.judge([pay(1, "500")], engine.new_state())
    assert (shadow_scores(verdicts), shadow_alerts(verdicts), shadow_rules(verdicts)) == ({}, {}, {})
