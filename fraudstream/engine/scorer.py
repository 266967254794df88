"""The interface between the engine and a scorer: weighted parts, evidence that is learned, decision trees.

A scorer maps the columns of a batch to integer points. Points decide: a payment with `threshold_points` or more is
alerted. They are a function of a sum, that of the contributions of the scorer's parts, and never fall with it:

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

POINTS_MAX = 1_000_000  # a score of 1; points are millionths: fine enough to rank what is rare


class Scores(Protocol):
    """The scores of a batch of `n` payments."""

    @property
    def points(self) -> Int32Array:
        """Millionths, each in [0, POINTS_MAX]; int32, shape (n,). The caller may write to the array."""
        ...

    def contributions(self, rows: Int64Array) -> Int64Array:
        """What each part adds for some payments, in a unit of the scorer's: int64, shape (parts, len(rows)), in the
        order of `Scorer.inputs`.

        `rows`: indices of payments; int64. `points_of` each column's sum are the payment's points.
        """
        ...

    def rarities(self, rows: Int64Array) -> list[Mapping[str, int]]:
        """Of some payments, by the names of parts: at most one in so many earlier payments had a value as high or
        higher. Only of parts that are scored by that."""
        ...

    def points_of(self, sums: Int64Array) -> Int32Array:
        """The points of sums of contributions, which never fall with them; int64 and int32, shape (n,)."""
        ...


class Scorer(Protocol):
    """Scores payments and explains the scores. Immutable and stateless: the same columns give the same points."""

    @property
    def threshold_points(self) -> int:
        """A payment with as many points or more is alerted; millionths."""
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

        `contributions`: what each part adds, as `Scores.contributions` returned them for this payment. Parts that
        contribute nothing are left out, unless `include_zero`.
        """
        ...


def threshold(scorer: Scorer) -> float:
    """The scorer's threshold as a share of 1, as alerts show it."""
    return scorer.threshold_points / POINTS_MAX


def names_read(scorer: Scorer) -> frozenset[str]:
    """The fields and features that any part of the scorer reads."""
    return frozenset().union(*scorer.inputs.values())
