"""Alerts are, to the byte, what their slow twin makes of the same verdicts: over columns, text by text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.cli.rule_files import load_rule_set
from fraudstream.cli.shipped import shipped
from fraudstream.contracts.artefact import artefact_digest
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import alert_values, decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.verdict import Verdicts
from fraudstream.generator.batch import GeneratedBatch
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream
from tests.oracle.catalogues import CATALOGUES
from tests.property.batches import split
from tests.property.payment_logs import BEGIN_MS, Log, logs
from tests.property.profile import EXAMPLES
from tests.property.slow_alerts import alerts_of
from tests.unit.engine.trees_of_rules import model_bytes

ACCOUNT_ONLY = Path(__file__).parents[2] / "examples" / "account_only"

_cuts = st.lists(st.integers(0, 60), max_size=5)

# Every kind of condition, alone, negated, and beside others of which one suffices.
_CONDITIONS = (
    "amount > 1",
    "not (amount > 1) or direction == 'debit'",
    "amount * 2 - 1 > account.mean_1h / 3 or account.mean_1h is missing",
    "-amount < min(account.mean_30d, 5) and not (country is missing)",
    "amount / account.mean_1h >= 0.5 or account.count_1h / account.count_1h > 0",
    "round_down(amount, 5) == amount or abs(amount) > max(account.mean_1h, 3)",
    "country in ('DE', 'FR') or lower(country) != 'de'",
    "starts_with(device_id, 'd-') or not (currency == 'EUR')",
    "account.new_country_90d or not account.new_country_90d",
    "(amount > 3) == (account.count_1h > 1) or account.age < 1h",
    "device_id in lists.watched or not (device_id in lists.watched)",
    "card_present or card_present is missing or account.speed_kmh > 0",
    "hour >= 0 and weekday != 9 and (country == account.last_country or country != account.last_country)",
    "not (amount < 1 or account.count_1h < 1)",
    "twice > 3 or against_mean is missing",
)
_MESSAGE = "{amount}, {country}, {account.last_country}, {account.age}, {card_present}, {account.mean_30d} {hour}"
_LISTS = "lists:\n  watched: {of: device_id, kind: watch, description: Devices seen with frauds}\n"
_SCORE = """
threshold: 0.9
parts:
  - {part: large, weight: 0.4, value: amount / account.mean_1h, normal: account.mean_1h, from: 0, to: 3}
  - {part: count, weight: 0.2, value: account.count_1h, normal: account.last_country, from: 0, to: 4}
  - {part: amount, weight: 0.2, value: amount, normal: country, from: 0, to: 9000, when: direction == 'debit'}
  - {part: either, weight: 0.2, value: account.new_country_90d or amount > 3}
"""
_EVIDENCE = """
kind: evidence
threshold: 0.01
parts:
  - {part: large, value: against_mean, normal: account.mean_1h, bins: {from: 0, step: 0.5, count: 20}}
  - {part: country, value: account.new_country_90d, normal: account.last_country}
  - {part: rare, value: account.rare_merchant_30d, bins: {from: 0, step: 0.5}, when: direction == 'debit'}
  - {part: pause, value: account.since_last, bins: {from: 0s, step: 1h, count: 10}}
  - {part: risk, value: account.risk_30d, bins: {doublings_of: 0.00001, neutral: 0.005}}
"""
_DERIVED = """
  against_mean: {derive: amount / account.mean_30d}
  twice: {derive: against_mean * 2 + account.count_1h}
"""
_STUMPS = (
    (0, 50.0, -1.0, 2.0),
    (1, 40.0, 0.5, -1.0),
    (2, 1e6, 0.0, 1.0),
    (3, 0.5, -0.5, 1.5),
    (4, 1.0, -0.5, 1.0),
    (5, 0.01, -1.0, 0.5),
)


def _rule(number: int, when: str) -> str:
    status = ("live", "live", "shadow")[number % 3]
    severity = ("low", "medium", "high", "critical")[number % 4]
    return (
        f"id: 00000000-0000-4000-8000-{number:012d}\ntitle: Rule {number}\nstatus: {status}\nseverity: {severity}\n"
        f'when: "{when}"\nmessage: "{_MESSAGE}"\n'
    )


def _engine(name: str, score: str, model: str = "") -> Engine:
    """An engine with the drawn rules. `model`: how the model `trees`, which reads the score, is used."""
    features = CATALOGUES[name] + _DERIVED
    files = {f"drawn/rule_{number}.yaml": _rule(number, when) for number, when in enumerate(_CONDITIONS)}
    files |= {"features.yaml": features, "lists.yaml": _LISTS, "score.yaml": score}
    if not model:
        return Engine(compile_rule_set(files))
    inputs = ["amount", "account.mean_30d", "account.age", "account.new_country_90d", "against_mean", "score"]
    content = model_bytes(inputs, *_STUMPS, features=features, score=score)
    digest = artefact_digest(content)
    files |= {"artefacts.yaml": f"artefacts: {{trees: {{digest: {digest}}}}}", "model.yaml": model}
    return Engine(compile_rule_set(files, artefacts={digest: content}))


# A catalogue and a kind of score each, so that drawn logs meet them all.
ENGINES = {
    "roomy, parts": _engine("roomy", _SCORE),
    "paned, evidence, challenger": _engine("paned", _EVIDENCE, "challengers: [trees]"),
    "tight, model over evidence": _engine("tight", _EVIDENCE, "champion: trees"),
}


@pytest.mark.parametrize("name", ENGINES)
@EXAMPLES
@given(log=logs(), cuts=_cuts, lost=st.booleans())
def test_alerts_of_drawn_payments_are_those_of_the_twin(name: str, log: Log, cuts: list[int], lost: bool) -> None:
    engine = ENGINES[name]
    state = engine.new_state()
    state.lists.put("watched", "d-1", None)
    state.lists.put("watched", "d-2", BEGIN_MS + 400 * 86_400_000)
    if lost:
        state.miss_the_beginning()
        state.begin(BEGIN_MS - 3_600_000)
    _assert_alike([engine.judge(piece, state) for piece in split(log, cuts)])


@pytest.mark.parametrize("rules", [ACCOUNT_ONLY, Path(shipped("rules"))], ids=lambda rules: rules.name)
def test_alerts_of_generated_fraud_are_those_of_the_twin(rules: Path) -> None:
    engine = Engine(load_rule_set(rules))
    state = engine.new_state()
    plan = GeneratorPlan(seed=3, start_ms=BEGIN_MS, accounts=400, fraud_share=0.05)
    verdicts = [engine.judge(_with_labels(batch), state) for batch in stream(plan, 8_000)]
    alerted = _assert_alike(verdicts)
    fired = {hit.rule for found in verdicts for alert in decoded_alerts(found) for hit in alert.rules}
    assert alerted > 100
    assert len(fired) > 6, fired


def _with_labels(batch: GeneratedBatch) -> list[Payment | Label]:
    """The payments, then what became of the first half of them."""
    known = zip(batch.payments[: len(batch) // 2], batch.labels.tolist(), strict=False)
    return [
        *batch.payments,
        *(
            Label(paid.event_id, paid.account_id, "fraud" if fraud else "genuine", int(batch.occurred_at_ms[-1]))
            for paid, fraud in known
        ),
    ]


def _assert_alike(verdicts: Sequence[Verdicts]) -> int:
    """Compare each batch's alerts twice, as the second time much is remembered. Returns how many there are."""
    count = 0
    for found in verdicts:
        expected = [msgspec.json.encode(alert) for alert in alerts_of(found)]
        for _ in range(2):
            assert alert_values(found) == expected
        assert [msgspec.json.encode(alert) for alert in decoded_alerts(found)] == expected
        count += len(expected)
    return count
