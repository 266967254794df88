"""Merges what several partitions have learned for one evidence score.

Counts of values and labels add up. Weights and bias do not: each is the mean over the partitions, weighted by the
labels that each has learned from, to the nearest. Sums of squared steps add up, as the steps of all were taken. Source:
Zinkevich et al., "Parallelized Stochastic Gradient Descent", NIPS 2010 (mean of separately learned weights).
"""

from __future__ import annotations

from collections.abc import Sequence

from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.learned_score.score_state import ScoreState
from fraudstream.engine.learned_score.weights import SQUARE_MAX


def merge(states: Sequence[ScoreState], begun: ScoreState) -> ScoreState:
    """The state of a partition that had learned what all `states` have, beside weights exact. `states`: one or more,
    of one score.

    `begun`: what each of them began with, that of a calibration or none: it counts once.
    """
    found = ScoreState(begun.definition, begun.layout)
    into, first = found.counts, begun.counts
    for name in ("values", "blocks", "seen", "labelled", "of_part", "labels", "coded", "of_codes"):
        begin: Int64Array = getattr(first, name)
        getattr(into, name)[...] = begin + sum(getattr(state.counts, name) - begin for state in states)
    into.square[...] = _squares([state.counts.square for state in states], first.square)
    learned = [int((state.counts.labels - first.labels).sum()) for state in states]
    shares = learned if any(learned) else [1] * len(states)
    into.weight[...] = _mean([state.counts.weight for state in states], shares)
    into.bias[...] = _mean([state.counts.bias for state in states], shares)
    found.restored()
    return found


def _squares(squares: Sequence[Int64Array], first: Int64Array) -> list[int]:
    """The sums of squared steps of all partitions; their own are limited too."""
    columns = zip(first.tolist(), *(each.tolist() for each in squares), strict=True)
    return [min(begin + sum(each - begin for each in of_all), SQUARE_MAX) for begin, *of_all in columns]


def _mean(values: Sequence[Int64Array], shares: Sequence[int]) -> list[int]:
    """The weighted mean of each column, to the nearest; halves upwards."""
    total = sum(shares)
    columns = zip(*(each.tolist() for each in values), strict=True)
    sums = [sum(value * share for value, share in zip(column, shares, strict=True)) for column in columns]
    return [(2 * each + total) // (2 * total) for each in sums]
