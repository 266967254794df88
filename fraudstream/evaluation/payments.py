"""What an evaluation measures: the payments of a period with their labels, scores, fired rules and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DAY_MS = 86_400_000


class EvaluatedRule(NamedTuple):
    """A rule. `status`: `live` or `shadow`."""

    name: str
    status: str


@dataclass(frozen=True)
class EvaluatedPayments:
    """n payments in any order; arrays have shape (n,) unless noted.

    `occurred_at_ms`: event times, ms since the epoch, UTC; int64. `account`: numbers from 0, int64. `label`: 1 fraud,
    0 genuine, -1 unlabelled; int8. `amount_minor`: minor units of `currencies[currency]`; int64. `typology`: index into
    `typologies`, -1 where there is none; int64. `label_source`: who said what the label says, index into
    `label_sources`, -1 unknown; int64. `label_confidence`: how sure it was, 0 to 1, NaN unknown; float64. `alerted`:
    bool. `fired`: of `rules`; bool, shape (n, rules). `scores`: by the name of the scorer, the first is the champion;
    float64, NaN only where a payment is not measured.
    """

    occurred_at_ms: Int64Array
    account: Int64Array
    label: Int8Array
    amount_minor: Int64Array
    currency: Int64Array
    currencies: tuple[str, ...]
    typology: Int64Array
    typologies: tuple[str, ...]
    label_source: Int64Array
    label_sources: tuple[str, ...]
    label_confidence: Float64Array
    alerted: BoolArray
    rules: tuple[EvaluatedRule, ...]
    fired: BoolArray
    scores: Mapping[str, Float64Array]

    @property
    def n(self) -> int:
        """Number of payments."""
        return len(self.label)

    @property
    def day(self) -> Int64Array:
        """Days since the epoch, UTC, of each payment; int64."""
        day: Int64Array = self.occurred_at_ms // DAY_MS
        return day

    @property
    def fraud(self) -> BoolArray:
        """Whether each payment is labelled fraud."""
        fraud: BoolArray = self.label == 1
        return fraud

    def select(self, chosen: BoolArray | Int64Array) -> EvaluatedPayments:
        """Some of the payments. `chosen`: a mask or indices."""
        return replace(
            self,
            occurred_at_ms=self.occurred_at_ms[chosen],
            account=self.account[chosen],
            label=self.label[chosen],
            amount_minor=self.amount_minor[chosen],
            currency=self.currency[chosen],
            typology=self.typology[chosen],
            label_source=self.label_source[chosen],
            label_confidence=self.label_confidence[chosen],
            alerted=self.alerted[chosen],
            fired=self.fired[chosen],
            scores={name: score[chosen] for name, score in self.scores.items()},
        )


def in_period(payments: EvaluatedPayments, from_ms: int | None, until_ms: int | None) -> BoolArray:
    """Which payments are at or after `from_ms` and before `until_ms`: bool, shape (n,). None: no limit."""
    chosen = np.ones(payments.n, np.bool_)
    if from_ms is not None:
        chosen &= payments.occurred_at_ms >= from_ms
    if until_ms is not None:
        chosen &= payments.occurred_at_ms < until_ms
    return chosen


def not_known_before(payments: EvaluatedPayments, since_ms: int, label_delay_ms: int) -> BoolArray:
    """False where the account had a fraud since `since_ms` that was known before the payment's day: bool, shape (n,).

    A fraud of day d is known from day d + delay + 1 on, the delay rounded up to days. Source: Le Borgne et al.,
    Reproducible Machine Learning for Credit Card Fraud Detection, 2022, `get_train_test_set`.
    """
    never = np.iinfo(np.int64).max
    known_from = np.full(int(payments.account.max(initial=-1)) + 1, never, np.int64)
    told = payments.fraud & (payments.occurred_at_ms >= since_ms)
    np.minimum.at(known_from, payments.account[told], payments.day[told] + -(-label_delay_ms // DAY_MS) + 1)
    known: BoolArray = payments.day < known_from[payments.account]
    return known
