"""Drift: how far the distribution of a score or a feature has moved from a reference.

A calibration keeps a `ReferenceHistogram` of what it was made on; counts of newer values in its bins are compared by
the population stability index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from fraudstream.evaluation.payments import Float64Array, Int64Array

STABLE, MOVED = 0.1, 0.25  # the customary limits of the index: below 0.1 stable, from 0.25 on moved
BINS = 10


class ReferenceHistogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counts of a reference by bins. Bin k holds values above `edges[k − 1]` and up to `edges[k]`; the last has no end.

    `name`: of the score or feature. `edges`: ascending. `counts`: one more than edges. `missing`: without a value.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` (in a file, msgspec's `ValidationError`) for a histogram that cannot be."""
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{self.name} has {len(self.edges)} edges and {len(self.counts)} counts: one more is due")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"the edges of {self.name} are not ascending")
        if self.missing < 0 or min(self.counts) < 0:
            raise ValueError(f"{self.name} has a negative count")

    @property
    def all_counts(self) -> tuple[int, ...]:
        """Counts of the bins, then of missing values."""
        return (*self.counts, self.missing)


class Drift(msgspec.Struct, frozen=True):
    """A distribution against its reference. `index`: the population stability index. `counts`: of the values compared,
    by the bins of `reference`, missing ones last."""

    reference: ReferenceHistogram
    counts: tuple[int, ...]
    index: float

    @property
    def verdict(self) -> str:
        """`stable`, `shifting` or `moved`."""
        return "stable" if self.index < STABLE else "shifting" if self.index < MOVED else "moved"


def reference_histogram(name: str, values: Float64Array, bins: int = BINS) -> ReferenceHistogram:
    """A histogram whose bins hold about equally many of `values`, float64 (n,), NaN missing; fewer bins if values
    repeat.

    >>> reference_histogram("score", np.array([0.1, 0.2, 0.3, 0.4, np.nan]), bins=2)
    ReferenceHistogram(name='score', edges=(0.2,), counts=(2, 2), missing=1)
    """
    present = np.sort(values[~np.isnan(values)])
    edges: list[float] = []
    if len(present):
        at = (np.arange(1, bins) * len(present) + bins - 1) // bins - 1
        edges = [edge for edge in np.unique(present[at]).tolist() if edge < present[-1]]
    counts = counts_of(edges, values)
    return ReferenceHistogram(name, tuple(edges), counts[:-1], counts[-1])


def counts_of(edges: Sequence[float], values: Float64Array) -> tuple[int, ...]:
    """Counts of `values`, float64 (n,), by the bins of `ReferenceHistogram`, missing ones last."""
    missing = np.isnan(values)
    bins = np.searchsorted(np.array(edges, np.float64), values[~missing], side="left")
    return (*np.bincount(bins, minlength=len(edges) + 1).tolist(), int(missing.sum()))


def stability_index(expected: Sequence[int] | Int64Array, observed: Sequence[int] | Int64Array) -> float:
    """Population stability index of two rows of counts: Σ (p − q) ln(p / q), 0 if one of them is empty.

    Half a count is added to each bin that either has, so that an empty one has a logarithm. Source: Siddiqi, Credit
    Risk Scorecards, 2006; it is Jeffreys' divergence.

    >>> stability_index([50, 50], [50, 50]), round(stability_index([50, 50], [90, 10]), 2)
    (0.0, 0.85)
    """
    used = [(e + 0.5, o + 0.5) for e, o in zip(expected, observed, strict=True) if e or o]
    if not sum(expected) or not sum(observed):
        return 0.0
    expected_sum, observed_sum = sum(e for e, _ in used), sum(o for _, o in used)
    shares = [(e / expected_sum, o / observed_sum) for e, o in used]
    return math.fsum((p - q) * math.log(p / q) for q, p in shares)


def drift(reference: ReferenceHistogram, values: Float64Array) -> Drift:
    """How far `values`, float64 (n,), NaN missing, are from the reference."""
    counts = counts_of(reference.edges, values)
    return Drift(reference, counts, stability_index(reference.all_counts, counts))
