"""A model as the champion of a rule set, challengers beside it, and why a model is refused."""

from __future__ import annotations

import math

import msgspec
import pytest

from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import RuleSetErrors, compile_rule_set
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.trees.inputs import InputError, model_inputs
from fraudstream.engine.trees.scorer import AVERAGE, OTHERS
from tests.unit.engine.trees_of_rules import FEATURES, SCORE, model_bytes, with_models

NOON = 1_750_000_000_000
BY_AMOUNT = model_bytes(["amount", "account.payments_1h"], (0, 100.0, -2.0, 1.0), (1, 2.0, -0.5, 0.5))
BY_SCORE = model_bytes(["score", "foreign"], (0, 0.2, -3.0, 3.0), (1, 0.5, 0.0, 0.25))


def pay(number: int, amount: str, account: str = "a", country: str | None = None) -> Payment:
    return Payment(f"e-{number}", NOON + number, account, amount, "EUR", "debit", country=country)


def points(log_odds: float) -> int:
    return math.floor(POINTS_MAX / (1 + math.exp(-log_odds)))


def close(found: list[int], wanted: list[int]) -> bool:
    """The table's straight lines are within a few thousandths of the curve."""
    return all(abs(a - b) <= POINTS_MAX // 300 for a, b in zip(found, wanted, strict=True))


def test_a_champion_decides_in_place_of_the_score() -> None:
    engine = Engine(with_models({"trees": BY_AMOUNT}, "champion: trees"))
    verdicts = engine.judge([pay(1, "100"), pay(2, "100.01"), pay(3, "500")], engine.new_state())
    assert close(verdicts.score_points.tolist(), [points(-2.5), points(0.5), points(1.5)])
    assert [decision.outcome for decision in verdicts.decisions()] == ["allow", "review", "review"]
    assert verdicts.shadow_points["score"].tolist() == [0, POINTS_MAX // 4, POINTS_MAX // 2]


def test_a_threshold_of_the_rule_set_replaces_the_models_own() -> None:
    engine = Engine(with_models({"trees": BY_AMOUNT}, "{champion: trees, threshold: 0.8}"))
    verdicts = engine.judge([pay(1, "100"), pay(2, "100.01"), pay(3, "500")], engine.new_state())
    assert [decision.outcome for decision in verdicts.decisions()] == ["allow", "allow", "review"]


def test_a_challenger_scores_and_decides_nothing() -> None:
    alone = Engine(compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE}))
    beside = Engine(with_models({"trees": BY_AMOUNT}, "challengers: [trees]"))
    log = [pay(1, "100"), pay(2, "500"), pay(3, "500")]
    one, other = alone.judge(log, alone.new_state()), beside.judge(log, beside.new_state())
    assert other.score_points.tolist() == one.score_points.tolist()
    assert close(other.shadow_points["trees"].tolist(), [points(-2.5), points(0.5), points(1.5)])
    assert [d.outcome for d in other.decisions()] == [d.outcome for d in one.decisions()]
    wanted = [{"trees": int(found) / POINTS_MAX} for found in other.shadow_points["trees"]]
    assert [decision.shadow_scores for decision in other.decisions()] == wanted


def test_a_model_may_read_the_rule_sets_score() -> None:
    engine = Engine(with_models({"trees": BY_SCORE}, "champion: trees"))
    verdicts = engine.judge([pay(1, "1", country="DE"), pay(2, "1", country="FR")], engine.new_state())
    assert close(verdicts.score_points.tolist(), [points(-3.0), points(3.25)])


def test_an_alert_walks_from_the_average_payment_to_the_score() -> None:
    engine = Engine(with_models({"trees": BY_AMOUNT}, "champion: trees"))
    [alert] = decoded_alerts(engine.judge([pay(1, "250")], engine.new_state()))
    assert [part.part for part in alert.score_parts] == [AVERAGE, "amount", "account.payments_1h"]
    assert sum(round(part.points * POINTS_MAX) for part in alert.score_parts) == round(alert.score * POINTS_MAX)
    assert [part.value for part in alert.score_parts] == [None, "250.00 EUR", "1"]
    assert alert.score_parts[2].points < 0 < alert.score_parts[1].points
    assert [value.feature for value in alert.features] == ["account.payments_1h"]


def test_every_part_of_a_model_is_declared() -> None:
    rule_set = with_models({"trees": BY_SCORE}, "champion: trees")
    inputs = rule_set.scorer.inputs
    assert list(inputs) == [AVERAGE, "score", "foreign", OTHERS]
    assert inputs["score"] == {"account.payments_1h"}


def test_batches_change_no_decision_and_no_alert_of_a_model() -> None:
    engine = Engine(with_models({"trees": BY_SCORE, "other": BY_AMOUNT}, "{champion: trees, challengers: [other]}"))
    log = [pay(i, amount, f"a-{i % 3}", "FR") for i, amount in enumerate(["5", "100", "20", "150", "100", "7", "9"])]
    whole = engine.judge(log, engine.new_state())
    state = engine.new_state()
    pieces = [engine.judge([payment], state) for payment in log]
    assert [d for piece in pieces for d in piece.decisions()] == whole.decisions()
    encoded = [msgspec.json.encode(alert) for alert in decoded_alerts(whole)]
    assert [msgspec.json.encode(alert) for piece in pieces for alert in decoded_alerts(piece)] == encoded
    assert len(encoded) > 0


def test_the_rule_sets_digest_names_champion_threshold_and_challengers() -> None:
    models = {"trees": BY_AMOUNT, "other": BY_SCORE}
    declarations = [
        "champion: trees",
        "champion: other",
        "{champion: trees, threshold: 0.4}",
        "{champion: trees, challengers: [other]}",
        "challengers: [trees, other]",
    ]
    assert len({with_models(models, declaration).digest for declaration in declarations}) == len(declarations)


@pytest.mark.parametrize(
    ("declaration", "sentence"),
    [
        ("champion: tree", "has no sound artefact 'tree'. Nearest: 'trees'"),
        ("{champion: trees, threshold: 1.5}", "threshold must be a number above 0, at most 1"),
        ("threshold: 0.5", "a threshold needs a champion"),
        ("{champion: trees, challengers: [trees]}", "'trees' is named twice"),
        ("champion: notes", "artefact 'notes' is not a model of this release"),
        ("champoin: trees", "Nearest: 'champion'"),
    ],
)
def test_a_fault_in_the_declaration_says_what_was_wrong(declaration: str, sentence: str) -> None:
    with pytest.raises(RuleSetErrors) as caught:
        with_models({"trees": BY_AMOUNT, "notes": b"notes"}, declaration)
    assert sentence in "\n".join(str(fault) for fault in caught.value.faults)


def test_a_model_of_other_features_is_refused_with_the_difference() -> None:
    changed = FEATURES.replace("window: 1h", "window: 2h")
    with pytest.raises(RuleSetErrors) as caught:
        with_models({"trees": BY_AMOUNT}, "champion: trees", features=changed)
    [fault] = caught.value.faults
    assert fault.path == "model.yaml"
    assert "model 'trees' was trained on other features" in fault.sentence
    assert "'account.payments_1h' has another definition than in training" in fault.sentence
    assert "window_ms was 3600000, here 7200000" in fault.sentence


def test_a_model_that_was_trained_without_a_base_currency_is_refused_with_one() -> None:
    with pytest.raises(RuleSetErrors) as caught:
        with_models({"trees": BY_AMOUNT}, "champion: trees", currencies="base: EUR\nrates: {USD: 0.9}")
    [fault] = caught.value.faults
    assert "'amount' has another definition than in training: base was absent, here \"EUR\"" in fault.sentence
    assert "payments_1h" not in fault.sentence  # a count does not depend on it


def test_a_model_that_reads_the_score_is_refused_where_the_score_differs() -> None:
    with pytest.raises(RuleSetErrors, match="'score' has another definition"):
        with_models({"trees": BY_SCORE}, "champion: trees", score=SCORE.replace("to: 3", "to: 4"))
    with_models({"trees": BY_AMOUNT}, "champion: trees", score=SCORE.replace("to: 3", "to: 4"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("account.payments_2h", "there is no field or feature 'account.payments_2h'. Nearest: 'account.payments_1h'"),
        ("merchant_id", "'merchant_id' is a text"),
        ("score", "the rule set has no score.yaml"),
    ],
)
def test_a_name_that_no_model_can_read_is_refused(name: str, sentence: str) -> None:
    rule_set = compile_rule_set({"features.yaml": FEATURES})
    with pytest.raises(InputError, match=sentence):
        model_inputs([name], rule_set.catalogue, rule_set.scorer)
