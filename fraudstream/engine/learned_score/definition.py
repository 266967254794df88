"""What an evidence score consists of, as `score.yaml` declares it, and as the kernel reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

import numpy as np

from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.expression import Expression
from fraudstream.engine.fixed_log import ONE, log2_of
from fraudstream.engine.learned_score.counts import (
    CODE_BITS,
    CODES,
    DOUBLINGS,
    LABEL_BINS,
    RARITY,
    DefinitionArrays,
)

PULL: Final = 20  # frauds
RATE: Final = 13_107  # 0.2
DECAY: Final = 5  # 1 in 13,107

# The guess of a rarity: a third of a bit for each bit beyond three.
_RARITY_FROM: Final = 3 << CODE_BITS
_RARITY_SLOPE: Final = ONE * 35 // 100
# The guess of a risk: 0.7 bits for each doubling beyond its neutral value.
_RISK_SLOPE: Final = ONE * 7 // 10


@dataclass(frozen=True)
class FixedBins:
    """Bins of equal width for a part whose high values are suspicious if they are rare. `start`, `step`: in the unit of
    the value; `count`: how many."""

    start: float
    step: float
    count: int

    @property
    def guess(self) -> Int64Array:
        """As `DefinitionArrays.guess`: int64, shape (CODES,)."""
        beyond = np.maximum(np.arange(CODES, dtype=np.int64) - _RARITY_FROM, 0)
        return beyond * _RARITY_SLOPE >> CODE_BITS


@dataclass(frozen=True)
class Doublings:
    """Bins that double, for a part whose value is a risk by itself. `floor`: where the second one would begin at twice
    of it; `neutral`: the value that says nothing."""

    floor: float
    neutral: float

    @property
    def guess(self) -> Int64Array:
        """As `DefinitionArrays.guess`: int64, shape (CODES,)."""
        edges = self.floor * 2.0 ** np.arange(1, LABEL_BINS)
        neutral = int(np.count_nonzero(edges <= self.neutral))
        return (np.arange(CODES, dtype=np.int64) - neutral) * _RISK_SLOPE


@dataclass(frozen=True)
class EvidencePart:
    """One part: `value` where `when` is true, else missing, in `bins`. `normal`: the account's, for people."""

    name: str
    value: Expression
    bins: FixedBins | Doublings
    normal: Expression | None
    when: Expression | None

    @cached_property
    def names(self) -> frozenset[str]:
        """The fields and features that it reads."""
        expressions = [e for e in (self.value, self.normal, self.when) if e is not None]
        return frozenset().union(*(expression.names for expression in expressions))


@dataclass(frozen=True)
class Learning:
    """How a score learns. `pull`: frauds that the guess of a part counts as. `fraud_share`: share of frauds that is
    expected while there are no labels. `rate`, `decay`: of the weights, in 1/65,536."""

    pull: int = PULL
    fraud_share: Decimal = Decimal("0.005")
    rate: int = RATE
    decay: int = DECAY

    @property
    def one_in(self) -> int:
        """The reciprocal of `fraud_share`, to the nearest."""
        return int((1 / self.fraud_share).to_integral_value())


def definition_arrays(parts: Sequence[EvidencePart], learning: Learning) -> DefinitionArrays:
    """The definition as the kernel reads it."""
    fixed = [part.bins if isinstance(part.bins, FixedBins) else None for part in parts]
    floors = [part.bins.floor if isinstance(part.bins, Doublings) else 0.0 for part in parts]
    return DefinitionArrays(
        kind=np.array([DOUBLINGS if bins is None else RARITY for bins in fixed], np.int8),
        start=np.array(
            [floor if bins is None else bins.start for bins, floor in zip(fixed, floors, strict=True)], np.float64
        ),
        step=np.array([1.0 if bins is None else bins.step for bins in fixed], np.float64),
        bins=np.array([1 if bins is None else bins.count for bins in fixed], np.int64),
        guess=np.array([part.bins.guess for part in parts], np.int64).reshape(len(parts), CODES),
        pull=learning.pull,
        log_pull=log2_of(learning.pull),
        one_in=learning.one_in,
        rate=learning.rate,
        decay=learning.decay,
    )
