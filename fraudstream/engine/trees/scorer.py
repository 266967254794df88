"""Trees behind the interface `engine.scorer`: points are the calibrated probability, contributions a walk to it.

The trees' sum is log odds. Points are not: they are the calibrated probability. So that contributions add up to the
points, an alert walks from the average payment to this one: the strongest inputs one after the other, each with the
points by which it moves the probability, and last all other inputs together.

    (average payment)  20    risk_7d  +4,300    amount  +1,100    hour  -210    (other inputs)  +35    = 5,245
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.contracts.alert import ScorePart
from fraudstream.engine.arrays import Float64Array, Int32Array, Int64Array, UInt8Array
from fraudstream.engine.expression import ColumnSource, Type
from fraudstream.engine.frame_columns import FrameColumns, as_numbers
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.scorer import POINTS_MAX, Scorer, Scores
from fraudstream.engine.trees.calibration import MILLION, points_of
from fraudstream.engine.trees.inputs import SCORE
from fraudstream.engine.trees.kernel import add_trees, attribute_to_inputs
from fraudstream.engine.trees.layout import NodeTable, node_table
from fraudstream.engine.trees.model import Model

AVERAGE, OTHERS = "(average payment)", "(other inputs)"
SHOWN_MAX: Final = 10  # inputs with points of their own in an explanation

_add_trees, _attribute = Direct(add_trees), Direct(attribute_to_inputs)


@dataclass(frozen=True)
class ModelScorer:
    """A model as a scorer. `name`: of its artefact, `digest`: of its bytes. `base`: the rule set's own score, which the
    model may read. `threshold_millionths`: in place of the model's own."""

    name: str
    digest: str
    model: Model
    base: Scorer
    threshold_millionths: int

    @property
    def threshold_points(self) -> int:
        """As `scorer.Scorer`: rounded up, so that rounding alerts no payment below the threshold."""
        return -(-self.threshold_millionths * POINTS_MAX // MILLION)

    @cached_property
    def inputs(self) -> Mapping[str, frozenset[str]]:
        """By part, what it reads: the average payment nothing, each input its own name, the others nothing."""
        of_base = frozenset().union(*self.base.inputs.values())
        reads = {given.name: frozenset({given.name}) for given in self.model.inputs}
        if self.reads_score:
            reads[SCORE] = of_base
        return {AVERAGE: frozenset(), **reads, OTHERS: frozenset()}

    @property
    def digest_content(self) -> object:
        """The artefact's digest, the threshold, and the score that the model reads."""
        content: dict[str, object] = {"model": self.digest, "threshold_millionths": self.threshold_millionths}
        return content | {"score": self.base.digest_content}

    @cached_property
    def reads_score(self) -> bool:
        """Whether the rule set's own score is an input."""
        return any(given.name == SCORE and '"score"' in given.definition for given in self.model.inputs)

    def score(self, columns: ColumnSource) -> ModelScores:
        """As `scorer.Scorer`; computes the base score first, if the model reads it."""
        return self.score_over(columns, self.base.score(columns) if self.reads_score else None)

    def score_over(self, columns: ColumnSource, base: Scores | None) -> ModelScores:
        """Scores of all payments of `columns`. `base`: their scores by the rule set's own score, if the model reads
        it."""
        number, source = self._values(columns, base)
        return ModelScores(self, number, columns.minor_per_major, source)

    def explain(self, contributions: Sequence[int], row: PaymentRow, *, include_zero: bool) -> list[ScorePart]:
        """Points and value of each part. Parameters as in `scorer.Scorer`."""
        types = {given.name: Type[given.type] for given in self.model.inputs}
        if self.reads_score:
            del types[SCORE]  # its value is no column of the payment
        return [
            ScorePart(part, points / POINTS_MAX, 1.0, row.text(part, types[part]) if part in types else None)
            for part, points in zip(self.inputs, contributions, strict=True)
            if points or include_zero
        ]

    def _values(self, columns: ColumnSource, base: Scores | None) -> tuple[Float64Array, Int64Array]:
        """A matrix of values, float64, shape (rows, n), and the row of each input: int64, shape (inputs,)."""
        names = [given.name for given in self.model.inputs]
        if isinstance(columns, FrameColumns):
            number, rows = columns.frame.number, columns.index.numbers
            if self.reads_score:
                rows = rows | {SCORE: len(number)}
                number = np.concatenate([number, self._of_base(base)[np.newaxis]])
            return number, np.array([rows[name] for name in names], np.int64)
        values = [
            self._of_base(base) if name == SCORE and self.reads_score else as_numbers(columns.column(name))
            for name in names
        ]
        return np.array(values, np.float64), np.arange(len(names))

    def _of_base(self, base: Scores | None) -> Float64Array:
        assert base is not None, f"the model '{self.name}' reads the score, which was not computed"
        return base.points / POINTS_MAX

    @cached_property
    def nodes(self) -> NodeTable:
        """The trees as compiled code reads them."""
        return node_table(self.model.trees, len(self.model.inputs))

    @cached_property
    def is_money(self) -> UInt8Array:
        """1 for each input that is an amount of money: uint8, shape (inputs,)."""
        return np.array([given.type == "MONEY" for given in self.model.inputs], np.uint8)


class ModelScores:
    """The scores of a batch of `n` payments by a model, as `scorer.Scores`. `sums`: of the trees, in 2**-40; int64.

    The constructor takes the values of the inputs as `ModelScorer` finds them.
    """

    def __init__(
        self, scorer: ModelScorer, number: Float64Array, minor_per_major: Float64Array, source: Int64Array
    ) -> None:
        self._scorer = scorer
        scratch = np.empty(2 * len(source), np.float64)
        self._given = (number, minor_per_major, source, scorer.is_money, *scorer.nodes, scratch)
        self.sums: Int64Array = np.empty(number.shape[1], np.int64)
        _add_trees(*self._given, self.sums)
        self._points = self._points_of(self.sums).astype(np.int32)

    @property
    def points(self) -> Int32Array:
        """As `scorer.Scores`: int32, shape (n,)."""
        return self._points

    def sum_contributions(self, rows: Int64Array) -> Int64Array:
        """What each input, and last the average, adds to `sums`: int64, shape (inputs + 1, len(rows)), in 2**-40."""
        inputs = len(self._scorer.model.inputs)
        found = np.empty((inputs + 1, len(rows)), np.int64)
        _attribute(*self._given, np.ascontiguousarray(rows), found)
        return found

    def contributions(self, rows: Int64Array) -> Int64Array:
        """As `scorer.Scores`: the average payment, each input, the other inputs; int64, shape (parts, len(rows))."""
        added = self.sum_contributions(rows)
        added, average = added[:-1], added[-1:]
        strongest = np.argsort(-np.abs(added), axis=0, kind="stable")[:SHOWN_MAX]
        path = np.concatenate([average, average + np.cumsum(np.take_along_axis(added, strongest, axis=0), axis=0)])
        points = self._points_of(path)
        parts = np.zeros((len(added) + 2, len(rows)), np.int64)
        parts[0] = points[0]
        np.put_along_axis(parts, strongest + 1, np.diff(points, axis=0), axis=0)
        parts[-1] = self._points[rows] - points[-1]
        return parts

    def rarities(self, rows: Int64Array) -> list[Mapping[str, int]]:
        """As `scorer.Scores`: none, trees read values."""
        return [{}] * len(rows)

    def points_of(self, sums: Int64Array) -> Int32Array:
        """As `scorer.Scores`: the sums themselves."""
        return sums.astype(np.int32)

    def _points_of(self, sums: Int64Array) -> Int64Array:
        return points_of(sums, self._scorer.model.calibration, POINTS_MAX)
