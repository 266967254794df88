"""The result of every rule for one payment: which fired, which nearly fired, and which comparisons prevented it.

A rule is a near miss if each quantity that kept it from firing missed its threshold by at most a quarter (`NEAR`) of
that threshold; where a rule has alternatives, those of the nearest one count. Comparisons without a distance (text,
true and false, a missing value, a threshold of zero) must hold: a payment through another channel is not nearly a
payment through the app.

    amount > 1000 and account.new_payee        amount    new payee
        fired                                    1200    yes
        near miss, short by 20 %                  800    yes
        other                                     700    yes
        other                                     800    no
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from fraudstream.contracts.fields import Severity
from fraudstream.engine.arrays import BoolArray
from fraudstream.engine.evidence import Tested, tested
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.rule_set import RuleSet

NEAR = 0.25

Closeness = Literal["fired", "near", "other"]


class RuleTrial(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one rule for one payment.

    `tested`: all its comparisons. `shortfall`: the share of the threshold by which it was missed; None if the rule
    fired, or if a comparison without a distance does not hold. `names`: the fields and features that it compares.
    """

    rule: str
    rule_id: str
    title: str
    severity: Severity
    closeness: Closeness
    tested: tuple[Tested, ...]
    shortfall: float | None = None
    shadow: bool = False
    names: tuple[str, ...] = ()


def rule_trials(rule_set: RuleSet, row: PaymentRow, fired: BoolArray) -> list[RuleTrial]:
    """The result of every rule for one payment, in the rule set's order. `fired`: bool, shape (rules,)."""
    trials = []
    for rule, rule_fired in zip(rule_set.rules, fired.tolist(), strict=True):
        lacks = float(rule.when.shortfall(row.columns)[0])
        closeness: Closeness = "fired" if rule_fired else "near" if lacks <= NEAR else "other"
        trials.append(
            RuleTrial(
                rule=rule.name,
                rule_id=rule.rule_id,
                title=rule.title,
                severity=rule.severity,
                closeness=closeness,
                tested=tested(rule.when.comparisons, row, rule_set.lists),
                shortfall=None if rule_fired or math.isinf(lacks) else round(lacks, 4),
                shadow=rule.status == "shadow",
                names=tuple(sorted(rule.when.names)),
            )
        )
    return trials
