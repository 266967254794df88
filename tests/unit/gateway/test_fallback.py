"""The outcome without a decision: the first rule that fits the payment, in exact amounts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fraudstream.contracts import Payment
from fraudstream.gateway.fallback import Fallback, FallbackError, read_fallback_rules

TEXT = """
otherwise: allow
rules:
  - {kind: transfer, currency: EUR, amount_from: "1000.00", outcome: block}
  - {channel: app, outcome: review}
  - {currency: JPY, outcome: review}
"""


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, "allow"),
        ({"kind": "transfer", "amount": "1000"}, "block"),
        ({"kind": "transfer", "amount": "999.99"}, "allow"),
        ({"kind": "transfer", "amount": "99999999999999.99"}, "block"),
        ({"kind": "transfer", "amount": "1000", "currency": "USD"}, "allow"),
        ({"kind": "purchase", "amount": "1000"}, "allow"),
        ({"channel": "app"}, "review"),
        ({"kind": "transfer", "amount": "1000", "channel": "app"}, "block"),
        ({"currency": "JPY"}, "review"),
    ],
    ids=str,
)
def test_the_first_rule_that_fits_counts(fields: dict[str, Any], outcome: Fallback) -> None:
    plain = Payment("e", 0, "a", "10", "EUR", "debit")
    payment = msgspec.structs.replace(plain, **fields)
    assert read_fallback_rules(TEXT, "rules.yaml").outcome(payment) == outcome


@pytest.mark.parametrize(
    "text",
    [
        "otherwise: perhaps",
        "rules: [{outcome: block, kind: gift}]",
        'rules: [{outcome: block, amount_from: "10"}]',
        'rules: [{outcome: block, currency: EUR, amount_from: "ten"}]',
        'rules: [{outcome: block, currency: EUR, amount_from: "NaN"}]',
        "rules: [{outcome: block, currency: EUR, amount_from: 10}]",
        "rules: [{kind: transfer}]",
        "unknown: 1",
        "rules: [",
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(FallbackError, match=r"rules\.yaml"):
        read_fallback_rules(text, "rules.yaml")
