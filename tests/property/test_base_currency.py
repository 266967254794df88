"""Converting amounts in the engine gives what converting the payments beforehand gives: features, rules, score, alerts.

Method: a log in several currencies is judged by an engine with `currencies.yaml`; the same log, each amount converted
by fractions and rounded half to even, by an engine without. Limits: rule sets that read no `currency`, as that stays
what was published; corrections in the currency of their payment, one for each payment, because an engine that converts
adds several up as they were published, and not as they were rounded (`tests/unit/engine/test_base_currency.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fraudstream.contracts.currency import EXPONENTS, amount_text
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.verdict import Verdicts
from tests.oracle.catalogues import CATALOGUES
from tests.property.batches import split
from tests.property.judged_log import judgements
from tests.property.payment_logs import Log, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import RULES

# JPY without decimals, KWD with three: the one is rounded to cents, of the other many fils are a cent.
RATES = {
    "EUR": {"USD": "0.853242", "JPY": "1.005911"},  # KWD has no rate
    "JPY": {"USD": "146.5", "EUR": "171.70", "KWD": "479.1234567"},
    "KWD": {"USD": "0.3054", "EUR": "0.358", "JPY": "0.0020855"},
}


def _without_currency(catalogue: str) -> str:
    return catalogue.replace("of: currency", "of: channel").replace("[currency, direction,", "[direction,")


def _engines(base: str, catalogue: str) -> tuple[Engine, Engine]:
    texts = {"features.yaml": _without_currency(CATALOGUES[catalogue]), **RULES}
    rates = ", ".join(f'{code}: "{rate}"' for code, rate in RATES[base].items())
    converting = {**texts, "currencies.yaml": f"base: {base}\nrates: {{{rates}}}\n"}
    return Engine(compile_rule_set(converting)), Engine(compile_rule_set(texts))


ENGINES = {base: _engines(base, catalogue) for base, catalogue in zip(RATES, ("paned", "roomy", "tight"), strict=True)}


def converted(payment: Payment, base: str, rates: Mapping[str, str]) -> Payment:
    """The payment in the base, by fractions; as it is without a rate."""
    if payment.currency not in rates:
        return payment
    exact = Fraction(payment.amount) * Fraction(rates[payment.currency]) * 10 ** EXPONENTS[base]
    return structs.replace(payment, amount=amount_text(round(exact), base), currency=base)


def corrected_once(log: Log) -> Log:
    """The log without corrections in another currency, of other corrections, or of a payment corrected before."""
    kept: Log = []
    payments: dict[str | None, str] = {}
    for event in log:
        if isinstance(event, Label) or event.relates_to is None:
            kept.append(event)
            if isinstance(event, Payment):
                payments.setdefault(event.event_id, event.currency)
        elif payments.pop(event.relates_to, None) == event.currency:
            kept.append(event)
    return kept


def content(verdicts: Verdicts) -> list[Any]:
    """What was found, without what names the rule set or repeats the payment."""
    alerts = [(alert.rules, alert.score_parts, alert.features, alert.score) for alert in decoded_alerts(verdicts)]
    found = [(each.event_id, each.features, each.fired) for each in judgements(verdicts)]
    decided = [(d.outcome, d.score, d.late, d.repeat, d.altered, d.unmatched) for d in verdicts.decisions()]
    return [found, decided, alerts, verdicts.labels_unmatched]


@pytest.mark.parametrize("base", ENGINES)
@EXAMPLES
@given(log=logs(), cuts=st.lists(st.integers(0, 60), max_size=3))
def test_converting_in_the_engine_is_converting_beforehand(base: str, log: Log, cuts: list[int]) -> None:
    (engine, plain), log = ENGINES[base], corrected_once(log)
    state, other = engine.new_state(), plain.new_state()
    for piece in split(log, cuts):
        before = [event if isinstance(event, Label) else converted(event, base, RATES[base]) for event in piece]
        assert content(engine.judge(piece, state)) == content(plain.judge(before, other))
