"""Walk-forward evaluation of a model: trained at the beginning of each fold, as on that day, it scores the fold.

    payments ──engine──► values ─┬─ before fold 1 ──train──► model 1 ──► scores of fold 1
                                 └─ before fold 2, those of fold 1 too ──train──► model 2 ──► scores of fold 2

The engine runs once. Each model is that of `train` on the first day of its fold, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fraudstream.backtest.label_order import Events, LabelledPayments
from fraudstream.engine.arrays import BoolArray, Float64Array
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.trees.calibration import points_of
from fraudstream.engine.trees.model import Model
from fraudstream.engine.verdict import Verdicts
from fraudstream.learning.known_labels import KnownLabels, Names
from fraudstream.learning.train import TrainingOptions, train
from fraudstream.learning.training_table import BATCH_SIZE, Period, TableBuilder, judged_batches, values_of
from fraudstream.learning.tree_sums import sums_of


class FoldToTrain(NamedTuple):
    """A model is trained at `period.until_ms` and scores the payments from then to before `end_ms`, ms since the
    epoch. `labels`: of a file with labels of its own, what they said until the training, see `labels_given`."""

    period: Period
    end_ms: int
    labels: Names | None = None


class ScoredFolds(NamedTuple):
    """The payments of all folds in order of time. `event_ids`: n of them. `scores`: probabilities, float64, shape (n,).
    `models`: of the folds that hold a payment, in their order."""

    event_ids: list[str]
    scores: Float64Array
    models: list[Model]


def walk_forward(
    rule_set: RuleSet,
    batches: Iterable[LabelledPayments | Events],
    inputs: Sequence[str],
    folds: Sequence[FoldToTrain],
    genuine_max: int,
    options: TrainingOptions,
    *,
    batch_size: int = BATCH_SIZE,
    digest_key: DigestKey = PUBLIC_KEY,
    progress: Callable[[int, int], None] = lambda payments, frauds: None,
) -> ScoredFolds:
    """Train a model for each fold and score its payments. Arguments as of `training_table` and `train`.

    Raises `LearningError` where a model cannot be trained, and whatever `batches` raises.
    """
    running = [_RunningFold(rule_set, inputs, fold, genuine_max, options) for fold in folds]
    last = max(folds, key=lambda fold: fold.end_ms)
    known = KnownLabels(last.end_ms, last.period.label_delay_ms, last.labels)
    event_ids: list[str] = []
    scores: list[Float64Array] = []
    for batch, verdicts in judged_batches(rule_set, batches, known, batch_size, digest_key):
        values = values_of(verdicts, inputs)
        for fold in running:
            fold.add(batch, verdicts, values)
            scored = fold.scored(verdicts)
            if scored.any():
                event_ids += [batch.events[at].event_id for at in verdicts.positions[scored].tolist()]
                scores.append(fold.scores(values[scored]))
        progress(verdicts.n, int((batch.labels == 1).sum()))
    models = [fold.model for fold in running if fold.model is not None]
    return ScoredFolds(event_ids, np.concatenate([np.zeros(0), *scores]), models)


class _RunningFold:
    """A fold whose training table grows until it begins; then its model scores."""

    def __init__(
        self, rule_set: RuleSet, inputs: Sequence[str], fold: FoldToTrain, genuine_max: int, options: TrainingOptions
    ) -> None:
        self.model: Model | None = None
        self._rule_set, self._inputs, self._fold, self._options = rule_set, tuple(inputs), fold, options
        self._known = KnownLabels(fold.period.until_ms, fold.period.label_delay_ms, fold.labels)
        self._table: TableBuilder | None = TableBuilder(inputs, fold.period, genuine_max)

    def add(self, batch: Events, verdicts: Verdicts, values: Float64Array) -> None:
        """Add a batch to the training table while the fold has not begun."""
        if self._table is not None:
            labels = self._known.of(batch)
            self._table.add(verdicts, values, labels[verdicts.positions])

    def scored(self, verdicts: Verdicts) -> BoolArray:
        """Which payments are of this fold: bool, shape (n,)."""
        times, fold = verdicts.occurred_at_ms, self._fold
        of_fold: BoolArray = (times >= fold.period.until_ms) & (times < fold.end_ms) & ~verdicts.repeat
        return of_fold

    def scores(self, values: Float64Array) -> Float64Array:
        """The probabilities of payments of this fold: float64, shape (n,). The model is trained at the first."""
        model = self._trained() if self.model is None else self.model
        columns = [self._inputs.index(given.name) for given in model.inputs]
        sums = sums_of(model.trees, values[:, columns])
        return np.asarray(points_of(sums, model.calibration, POINTS_MAX) / POINTS_MAX)

    def _trained(self) -> Model:
        assert self._table is not None, "the table is kept until the model is trained"
        self.model = train(self._rule_set, self._table.table(), self._fold.period, self._options)
        self._table = None
        return self.model
