"""The chain's rules with a score that learns from late labels, a trained model that decides and two that challenge it;
and generated payments whose labels come hours later."""

from __future__ import annotations

from functools import cache

from fraudstream.backtest.label_order import in_order
from fraudstream.contracts import Label, Payment
from fraudstream.contracts.artefact import artefact_digest
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.trees.model import encode_model
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream
from fraudstream.learning.boosting import Boosting
from fraudstream.learning.default_inputs import default_inputs
from fraudstream.learning.train import TrainingOptions, train
from fraudstream.learning.training_table import Period, training_table
from tests.integration.stream.payments import START_MS
from tests.integration.stream.stage_chain import FOUR_STAGES, RuleFiles

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LABEL_DELAY_MS = 5 * HOUR_MS
PAYMENTS = 2_500
_DAYS = 12
_SCORE = """
kind: evidence
threshold: 0.4
parts:
  - {part: amount, value: amount / account.amount_mean_30d, bins: {from: 0, step: 0.2}}
  - {part: tempo, value: account.payments_1h, bins: {from: 0, step: 1}}
  - {part: new_payee, value: account.new_payee}
  - {part: device_accounts, value: device.accounts_24h, bins: {from: 0, step: 1}}
  - {part: merchant_risk, value: merchant.fraud_share_24h, bins: {doublings_of: 0.001, neutral: 0.05}}
  - {part: payers, value: counterparty.payers_24h, bins: {from: 0, step: 1}}
"""
_LEARNING = {**FOUR_STAGES, "score.yaml": _SCORE}


@cache
def model_rules() -> RuleFiles:
    """Rule files with three trained models, of which `first` decides."""
    rule_set = compile_rule_set(_LEARNING)
    inputs = default_inputs(rule_set.catalogue, rule_set.base_score)
    period = Period(START_MS, START_MS + 8 * DAY_MS, START_MS + _DAYS * DAY_MS, LABEL_DELAY_MS)
    table = training_table(rule_set, stream(_plan(7), PAYMENTS), inputs, period, PAYMENTS)
    models = {
        name: encode_model(train(rule_set, table, period, TrainingOptions(Boosting(12, 6, 0.1, seed=seed), 10.0)))
        for seed, name in enumerate(("first", "second", "third"), start=1)
    }
    digests = {name: artefact_digest(content) for name, content in models.items()}
    assert len(set(digests.values())) == 3
    declared = "".join(f"  {name}: {{digest: {digest}}}\n" for name, digest in digests.items())
    files = {
        "artefacts.yaml": f"artefacts:\n{declared}",
        "model.yaml": "{champion: first, challengers: [second, third]}",
    }
    return RuleFiles({**_LEARNING, **files}, {digests[name]: content for name, content in models.items()})


@cache
def labelled_events() -> tuple[Payment | Label, ...]:
    """Other payments than the models were trained on, a repeat now and then, and labels that name no more than their
    payment, in the order of a log."""
    parts = in_order(stream(_plan(8), PAYMENTS), LABEL_DELAY_MS)
    events = [event for part in parts for event in part.events]
    return tuple(each for number, event in enumerate(events) for each in _published(number, event))


def _published(number: int, event: Payment | Label) -> list[Payment | Label]:
    """What a publisher sends of an event: now and then a payment twice, a label without the names of entities."""
    if isinstance(event, Label):
        return [Label(event.event_id, event.account_id, event.label, event.labelled_at)]
    return [event, event] if number % 97 == 5 else [event]


def _plan(seed: int) -> GeneratorPlan:
    rate = PAYMENTS / (_DAYS * DAY_MS / 1_000)
    return GeneratorPlan(START_MS, seed=seed, accounts=150, rate=rate, fraud_share=0.08)
