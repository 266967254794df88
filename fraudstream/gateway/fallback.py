"""What a payment system is told to do with a payment whose decision does not come in time.

otherwise: allow                 # fail open
rules:                           # the first that fits counts
  - {kind: transfer, currency: EUR, amount_from: "1000.00", outcome: block}
  - {channel: app, outcome: review}
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final, Literal, get_args

import msgspec

from fraudstream.contracts import Payment
from fraudstream.contracts.fields import Channel, Kind
from fraudstream.engine.document import DocumentErrors, read_content

Fallback = Literal["allow", "review", "block"]
FALLBACKS: Final[tuple[Fallback, ...]] = get_args(Fallback)


class FallbackError(ValueError):
    """The file cannot be used. The text says why, and where."""


class FallbackRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payments that it fits have each of the values given. `amount_from`: at least so much, in major units of
    `currency`, which must be given then."""

    outcome: Fallback
    kind: Kind | None = None
    channel: Channel | None = None
    currency: str | None = None
    amount_from: str | None = None

    def fits(self, payment: Payment) -> bool:
        """Whether the outcome is this rule's."""
        for wanted, found in (
            (self.kind, payment.kind),
            (self.channel, payment.channel),
            (self.currency, payment.currency),
        ):
            if wanted is not None and wanted != found:
                return False
        return self.amount_from is None or Decimal(payment.amount) >= Decimal(self.amount_from)


class FallbackRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`otherwise`: of the payments that no rule fits."""

    otherwise: Fallback = "review"
    rules: tuple[FallbackRule, ...] = ()

    def outcome(self, payment: Payment) -> Fallback:
        """The outcome for a valid payment.

        >>> rules = FallbackRules("allow", (FallbackRule("block", currency="EUR", amount_from="10"),))
        >>> [rules.outcome(Payment("e", 0, "a", amount, "EUR", "debit")) for amount in ("9.99", "10.00")]
        ['allow', 'block']
        """
        return next((rule.outcome for rule in self.rules if rule.fits(payment)), self.otherwise)


def read_fallback_rules(text: str, path: str) -> FallbackRules:
    """The rules in a file. `path`: for messages. Raises `FallbackError`."""
    try:
        rules = msgspec.convert(read_content(text, path, typed=True), FallbackRules)
    except DocumentErrors as errors:
        raise FallbackError(str(errors.faults[0])) from errors
    except msgspec.ValidationError as error:
        raise FallbackError(f"{path}: {error}.") from error
    for number, rule in enumerate(rules.rules, 1):
        if rule.amount_from is None:
            continue
        if rule.currency is None:
            raise FallbackError(f"{path}: rule {number}: amount_from needs a currency.")
        try:
            is_amount = Decimal(rule.amount_from).is_finite()
        except InvalidOperation:
            is_amount = False
        if not is_amount:
            raise FallbackError(f"{path}: rule {number}: amount_from {rule.amount_from[:40]!r} is no decimal amount.")
    return rules
