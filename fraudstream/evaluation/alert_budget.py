"""What a number of alerts a day finds: precision, recall and money of the payments with the highest scores.

One threshold holds for the whole period, as in operation; the alerts a day are its mean. Where the budget ends among
payments of one score, it takes of each kind the expected number: ties broken at random. So a score with many ties is
neither favoured nor punished.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.evaluation.payments import EvaluatedPayments, Float64Array, Int64Array


class Money(NamedTuple):
    """Amounts in minor units of `currency`. `caught_share`: the value-detection rate, None without fraud."""

    currency: str
    fraud_minor: int
    caught_minor: int
    caught_share: float | None


class Caught(NamedTuple):
    """What some alerts find. Counts may be fractions where ties are broken at random.

    `precision`: of labelled alerts, None without one; `recall`: None without frauds.
    """

    alerts: float
    alerts_per_day: float
    frauds: float
    genuine: float
    unlabelled: float
    precision: float | None
    recall: float | None
    money: tuple[Money, ...]


class BudgetPoint(NamedTuple):
    """`budget`: alerts a day asked for; `caught`: what exactly so many find. `threshold`: the lowest score that keeps
    to the budget, `alerts_at_threshold`: payments that score as high or higher, fewer than the budget if there are
    ties. None and 0 if too many payments have the highest score."""

    budget: float
    threshold: float | None
    alerts_at_threshold: int
    caught: Caught


class RankedPayments:
    """The payments of a period from the highest score to the lowest. `days`: its length, more than 0."""

    def __init__(self, payments: EvaluatedPayments, score: Float64Array, days: float) -> None:
        assert days > 0, f"the period has {days} days"
        self._days, self._currencies = days, payments.currencies
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1 if len(ranked) else np.zeros(0, np.int64)
        self._thresholds = ranked[ends - 1]
        self._taken = np.concatenate([[0], ends])
        label, fraud = payments.label[order], payments.fraud[order]
        self._frauds = _sums(fraud, ends)
        self._genuine = _sums(label == 0, ends)
        amount = np.where(fraud, payments.amount_minor[order], 0)
        currency = payments.currency[order]
        self._money = [_sums(np.where(currency == k, amount, 0), ends) for k in range(len(self._currencies))]

    def at(self, budget: float) -> BudgetPoint:
        """What `budget` alerts a day find. At most all payments are alerted."""
        total = int(self._taken[-1])
        alerts = min(int(budget * self._days), total)
        group = max(int(np.searchsorted(self._taken, alerts, side="left")) - 1, 0)
        if not total:
            return BudgetPoint(budget, None, 0, self._caught(0, 0, 0))
        size = int(self._taken[group + 1] - self._taken[group])
        found = self._caught(group, alerts - int(self._taken[group]), size)
        whole = int(np.searchsorted(self._taken, alerts, side="right")) - 1  # groups that fit into the budget
        threshold = float(self._thresholds[whole - 1]) if whole else None
        return BudgetPoint(budget, threshold, int(self._taken[whole]), found)

    def _caught(self, group: int, extra: int, size: int) -> Caught:
        """Of all payments before a group of equal scores, and `extra` of the `size` in it."""
        share = extra / size if size else 0.0

        def count(sums: Int64Array) -> float:
            return float(sums[group]) + (float(sums[group + 1] - sums[group]) * share if extra else 0.0)

        def amount(sums: Int64Array) -> int:
            return int(sums[group]) + (int(sums[group + 1] - sums[group]) * extra // size if extra else 0)

        alerts = float(self._taken[group] + extra)
        caught = [(int(sums[-1]), amount(sums)) for sums in self._money]
        return caught_of(
            alerts, self._days, count(self._frauds), count(self._genuine), float(self._frauds[-1]),
            tuple(money_of(name, *sums) for name, sums in zip(self._currencies, caught, strict=True)),
        )  # fmt: skip


def caught_by(payments: EvaluatedPayments, alerted: npt.NDArray[np.bool_], days: float) -> Caught:
    """What the alerts `alerted`, bool (n,), find."""
    fraud = payments.fraud
    money = tuple(
        money_of(name, int(payments.amount_minor[of].sum()), int(payments.amount_minor[of & alerted].sum()))
        for k, name in enumerate(payments.currencies)
        for of in (fraud & (payments.currency == k),)
    )
    genuine = int((alerted & (payments.label == 0)).sum())
    return caught_of(int(alerted.sum()), days, int((alerted & fraud).sum()), genuine, int(fraud.sum()), money)


def caught_of(
    alerts: float, days: float, frauds: float, genuine: float, frauds_total: float, money: tuple[Money, ...]
) -> Caught:
    """The shares of some counts."""
    labelled = frauds + genuine
    precision = frauds / labelled if labelled else None
    recall = frauds / frauds_total if frauds_total else None
    return Caught(alerts, alerts / days, frauds, genuine, alerts - labelled, precision, recall, money)


def money_of(currency: str, fraud_minor: int, caught_minor: int) -> Money:
    """Amounts with their share."""
    return Money(currency, fraud_minor, caught_minor, caught_minor / fraud_minor if fraud_minor else None)


def budgets(asked: float, payments_per_day: float) -> list[float]:
    """Alerts a day for a curve, ascending: 1, 2, 5, 10 and so on up to 5 % of the payments, and `asked`.

    >>> budgets(50, 1_000)
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    """
    most = max(asked, payments_per_day * 0.05)
    steps = {float(first * 10**power) for power in range(9) for first in (1, 2, 5)}
    return sorted({step for step in steps if step <= most} | {float(asked)})


def _sums(values: npt.NDArray[np.bool_] | Int64Array, ends: Int64Array) -> Int64Array:
    """Sums of the values before each end, 0 first: int64, shape (ends + 1,)."""
    sums: Int64Array = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[np.concatenate([[0], ends])]
    return sums
