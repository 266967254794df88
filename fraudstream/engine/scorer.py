"""The interface between the engine and a scorer: a sum of parts today, decision trees later.

A scorer maps the columns of a batch to integer points. Points decide: a payment with `threshold_points` or more is
alerted. They are split into contributions, one for each part of the scorer, which add up to the points exactly:

    columns ──score──► Scores.points (n,)                    every payment: the hot path
                       Scores.contributions (parts, rows)    alerted and explained payments only: may be computed here
                         └──explain──► ScorePart             what an alert shows

Results depend on the columns alone, row by row: they do not depend on how payments are split into batches. A scorer
whose arithmetic is not exact in floats computes in fixed-point int64 and rounds once, to points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from fraudstream.contracts.alert import ScorePart
from fraudstream.engine.arrays import Int32Array, Int64Array
from fraudstream.engine.expression import ColumnSource
from fraudstream.engine.payment_row import PaymentRow

POINTS_MAX = 10_000  # a score of 1; points are ten-thousandths


class Scores(Protocol):
    """The scores of a batch of `n` payments."""

    @property
    def points(self) -> Int32Array:
        """Ten-thousandths, each in [0, POINTS_MAX]; int32, shape (n,). The caller may write to the array."""
        ...

    def contributions(self, rows: Int64Array) -> Int64Array:
        """Points of each part for some payments: int64, shape (parts, len(rows)), in the order of `Scorer.inputs`.

        `rows`: indices of payments; int64. Each column's sum is the payment's points as `score` returned them.
        """
        ...


class Scorer(Protocol):
    """Scores payments and explains the scores. Immutable and stateless: the same columns give the same points."""

    @property
    def threshold_points(self) -> int:
        """A payment with as many points or more is alerted; ten-thousandths."""
        ...

    @property
    def inputs(self) -> Mapping[str, frozenset[str]]:
        """By the name of each part, in order: the fields and features that it reads. Empty: every score is 0."""
        ...

    @property
    def digest_content(self) -> object:
        """All that can change a score or its explanation, as plain data, dataclasses and expressions.

        It becomes part of the rule set's digest (`rule_set`). An artefact is named in it by its own digest.
        """
        ...

    def score(self, columns: ColumnSource) -> Scores:
        """Scores of all payments of `columns`."""
        ...

    def explain(self, contributions: Sequence[int], row: PaymentRow, *, include_zero: bool) -> list[ScorePart]:
        """The parts of the score of the payment at `row`, in the order of `inputs`.

        `contributions`: the points of each part, as `Scores.contributions` returned them for this payment. Parts that
        contribute nothing are left out, unless `include_zero`.
        """
        ...


def threshold(scorer: Scorer) -> float:
    """The scorer's threshold as a share of 1, as alerts show it."""
    return scorer.threshold_points / POINTS_MAX


def names_read(scorer: Scorer) -> frozenset[str]:
    """The fields and features that any part of the scorer reads."""
    return frozenset().union(*scorer.inputs.values())
