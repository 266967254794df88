"""Rule by rule for one payment: which fired, which nearly did, and what kept the others from it.

A rule is a near miss if each quantity that kept it from firing missed its threshold by at most a quarter (`NEAR`) of
that threshold; where a rule has alternatives, those of the nearest one count. What has no distance (text, true and
false, a missing value, a threshold of zero) must hold: a payment through another channel is not nearly one through the
app.

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
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import BoolArray
from fraudstream.engine.evidence import Tested, tested
from fraudstream.engine.expression import ColumnSource
from fraudstream.engine.rule_set import RuleSet

NEAR = 0.25

Closeness = Literal["fired", "near", "other"]


class RuleTrial(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one rule made of one payment. `shortfall`: the share of the threshold by which a near miss missed it."""

    rule: str
    rule_id: str
    title: str
    severity: Severity
    closeness: Closeness
    tested: tuple[Tested, ...]
    shortfall: float | None = None
    shadow: bool = False


def rule_trials(rule_set: RuleSet, columns: ColumnSource, payment: Payment, fired: BoolArray) -> list[RuleTrial]:
    """In the rules' order. `columns`: of the one payment; `fired`: bool, shape (rules,)."""
    trials = []
    for rule, rule_fired in zip(rule_set.rules, fired.tolist(), strict=True):
        lacks = float(rule.when.shortfall(columns)[0])
        closeness: Closeness = "fired" if rule_fired else "near" if lacks <= NEAR else "other"
        [comparisons] = tested(rule.when.comparisons, columns, [payment], rule_set.lists)
        trials.append(
            RuleTrial(
                rule=rule.name,
                rule_id=rule.rule_id,
                title=rule.title,
                severity=rule.severity,
                closeness=closeness,
                tested=comparisons,
                shortfall=None if rule_fired or math.isinf(lacks) else round(lacks, 4),
                shadow=rule.status == "shadow",
            )
        )
    return trials
