"""How often rules fired, by day, counted in payments, and what labels say of these: from the history store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fraudstream.console.overview.payment_days import Days, PaymentDays, last_days
from fraudstream.history.figures import FigureReader


@dataclass(slots=True)
class Firings:
    """The payments on which a rule fired, by day. `fraud`, `genuine`: those with a label."""

    by_day: dict[int, int] = field(default_factory=dict)
    fraud: int = 0
    genuine: int = 0

    @property
    def payments(self) -> int:
        """All of them."""
        return sum(self.by_day.values())

    @property
    def precision(self) -> float | None:
        """The share of fraud among those with a label; None without one."""
        labelled = self.fraud + self.genuine
        return self.fraud / labelled if labelled else None


class RuleFirings(NamedTuple):
    """By the name of each rule that fired on a day of `days`, shadow rules included."""

    days: Days
    rules: Mapping[str, Firings]


def rule_firings(reader: FigureReader, kept: PaymentDays, count: int) -> RuleFirings:
    """Of the last `count` days of the store. Blocks. Raises `HistoryError`."""
    days = last_days(reader, count)
    rules = dict[str, Firings]()
    for day, found in kept.decided(reader, days).items():
        for fired in (found.rules, found.shadow_rules):
            for rule, payments in fired.items():
                by_day = rules.setdefault(rule, Firings()).by_day
                by_day[day] = by_day.get(day, 0) + payments  # one that went from shadow to live on that day has both
    labelled = kept.labelled(reader, days)
    for counts in (labelled.rules, labelled.shadow_rules):
        for (rule, day, is_fraud), payments in counts.items():
            if day in days and rule in rules:
                rules[rule].fraud += payments if is_fraud else 0
                rules[rule].genuine += 0 if is_fraud else payments
    return RuleFirings(days, rules)
