"""Training of a model from a training table.

    fit rows ──grow──► trees ──score later rows──► calibration, threshold, metrics by week    payments they never saw
    all rows ──grow──► the trees of the model                                                 the newest frauds too

The second trees are grown as the first and take over their calibration: what the newest frauds teach is worth more than
a calibration of these very trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.trees.inputs import model_inputs
from fraudstream.engine.trees.model import Model
from fraudstream.learning.boosting import Boosting, grow, varying_inputs
from fraudstream.learning.card import LaterRows, model_card
from fraudstream.learning.errors import LearningError
from fraudstream.learning.probability import DAY_MS, platt, threshold_of_budget
from fraudstream.learning.sampling import Rows
from fraudstream.learning.training_table import Period, TrainingTable
from fraudstream.learning.tree_sums import sums_of

FRAUDS_MIN: Final = 20  # below, trees would learn single accounts


@dataclass(frozen=True)
class TrainingOptions:
    """`alerts_a_day`: the budget from which the threshold follows. `threads`: do not change the model."""

    boosting: Boosting
    alerts_a_day: float
    threads: int = 1


def train(rule_set: RuleSet, table: TrainingTable, period: Period, options: TrainingOptions) -> Model:
    """A model over the inputs of `table` that vary. Raises `LearningError`.

    `rule_set`, `period`: with which the table was made. The same table and options give the same model, to the byte.
    """
    _check(table)
    varying = np.flatnonzero(varying_inputs(table.fit))
    if not len(varying):
        raise LearningError("every input has the same value in all payments. Check the mapping and the features.")
    inputs = [table.inputs[column] for column in varying]
    fit, later = (_with_columns(rows, varying) for rows in (table.fit, table.later))
    trees = grow(fit, inputs, options.boosting, options.threads)
    sums = sums_of(trees, later.values)
    calibration = platt(sums, later.fraud, later.weight)
    days = max((period.until_ms - period.label_delay_ms - period.split_ms) / DAY_MS, 1e-3)
    threshold = threshold_of_budget(sums, later.weight, calibration, days, options.alerts_a_day)
    everything = Rows(*(np.concatenate(pair) for pair in zip(fit, later, strict=True)))
    final = grow(everything, inputs, options.boosting, options.threads)
    judged = LaterRows(later, sums, calibration, threshold, options.alerts_a_day)
    return Model(
        inputs=model_inputs(inputs, rule_set.catalogue, rule_set.base_score, rule_set.base_currency),
        trees=final,
        calibration=calibration,
        threshold_millionths=threshold,
        card=model_card(rule_set, table, period, options.boosting, inputs, everything, final, judged),
    )


def _check(table: TrainingTable) -> None:
    for rows, what in ((table.fit, "to learn from"), (table.later, "to calibrate with")):
        if (frauds := int(rows.fraud.sum())) < FRAUDS_MIN:
            raise LearningError(
                f"the payments {what} hold {frauds} frauds whose label was known in time; {FRAUDS_MIN} are needed. "
                "Choose a later --until, an earlier --from, or check the labels of the mapping."
            )
        if rows.fraud.all():
            raise LearningError(
                f"the payments {what} hold no genuine payment with a label. Check the mapping's labels."
            )


def _with_columns(rows: Rows, columns: np.typing.NDArray[np.int64]) -> Rows:
    return rows._replace(values=rows.values[:, columns])
