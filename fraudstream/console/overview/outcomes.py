"""How cases were closed, and the precision that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from fraudstream.console.search.tally import NONE

FRAUD: Final = "confirmed_fraud"
GENUINE: Final = ("false_positive", "genuine_but_risky")
INCONCLUSIVE: Final = "inconclusive"

Value = TypeVar("Value", str, int)


class Outcomes(NamedTuple):
    """Numbers of cases: `fraud`, `genuine`, `inconclusive`: closed as such; `not_closed`: without a disposition."""

    fraud: int = 0
    genuine: int = 0
    inconclusive: int = 0
    not_closed: int = 0

    @property
    def cases(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def precision(self) -> float | None:
        """The share of fraud among the cases that were closed as fraud or genuine; None without one.

        >>> Outcomes(fraud=1, genuine=3, inconclusive=7).precision
        0.25
        """
        closed = self.fraud + self.genuine
        return self.fraud / closed if closed else None


def outcomes_of(by_disposition: Mapping[str, int]) -> Outcomes:
    """The outcomes of cases that are counted by disposition."""
    return Outcomes(
        fraud=by_disposition.get(FRAUD, 0),
        genuine=sum(by_disposition.get(each, 0) for each in GENUINE),
        inconclusive=by_disposition.get(INCONCLUSIVE, 0),
        not_closed=by_disposition.get(NONE, 0),
    )


def outcomes_by_value(counted: Mapping[tuple[Value, str], int]) -> dict[Value, Outcomes]:
    """By value, the outcomes of cases that are counted by value and disposition; the most cases first."""
    by_value: dict[Value, Counter[str]] = {}
    for (value, disposition), count in counted.items():
        by_value.setdefault(value, Counter())[disposition] += count
    found = {value: outcomes_of(each) for value, each in by_value.items()}
    return dict(sorted(found.items(), key=lambda each: (-each[1].cases, each[0])))
