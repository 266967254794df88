"""Counts alerts of one kind with their labels and money, incrementally."""

from __future__ import annotations

from collections import Counter

from fraudstream.contracts.currency import amount_text
from fraudstream.engine.arrays import Int8Array, Int64Array
from fraudstream.engine.verdict import Verdicts
from fraudstream.evaluation.rule_difference import AlertGroup, detected

PER_DAY_FROM_DAYS = 1 / 24  # of a shorter period the numbers a day say nothing


class AlertTally:
    """Alerts of one kind. `base`: code of the base currency, None if amounts are not converted."""

    def __init__(self, base: str | None) -> None:
        self._base = base
        self._by_label: Counter[int] = Counter()
        self._minor: Counter[str] = Counter()
        self._fraud_minor: Counter[str] = Counter()
        self._base_minor = self._fraud_base_minor = 0

    @property
    def alerts(self) -> int:
        """How many were counted."""
        return self._by_label.total()

    @property
    def frauds(self) -> int:
        """How many of them are labelled fraud."""
        return self._by_label[1]

    def add(self, verdicts: Verdicts, rows: Int64Array, labels: Int8Array) -> None:
        """Count the payments `rows` of `verdicts`, int64. `labels`: of these: 1 fraud, 0 genuine, -1 unlabelled."""
        if not len(rows):
            return
        columns = verdicts.columns
        published = columns.published_amount_minor[rows].tolist()
        converted = columns.frame.amount_minor[rows].tolist()
        for row, minor, base_minor, label in zip(rows.tolist(), published, converted, labels.tolist(), strict=True):
            currency = columns.payments[row].currency
            in_base = base_minor if columns.currency(row) == self._base else 0
            self._by_label[label] += 1
            self._minor[currency] += minor
            self._base_minor += in_base
            if label == 1:
                self._fraud_minor[currency] += minor
                self._fraud_base_minor += in_base

    def group(self, days: float) -> AlertGroup:
        """What was counted. `days`: length of the period."""
        return AlertGroup(
            alerts=detected(self.alerts, self._by_label[1], self._by_label[0]),
            per_day=per_day(self.alerts, days),
            amounts=_texts(self._minor),
            fraud_amounts=_texts(self._fraud_minor),
            base_amount=None if self._base is None else amount_text(self._base_minor, self._base),
            fraud_base_amount=None if self._base is None else amount_text(self._fraud_base_minor, self._base),
        )


def per_day(count: float, days: float) -> float | None:
    """A count as one of a day; None if the period is too short to say."""
    return count / days if days >= PER_DAY_FROM_DAYS else None


def _texts(minor: Counter[str]) -> dict[str, str]:
    return {currency: amount_text(minor[currency], currency) for currency in sorted(minor)}
