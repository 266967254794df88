"""The training table: what the engine knew of each payment when it decided it, and what its label said later.

The engine of the stream runs over the payments in order, with labels at the time at which they came. So a row holds
nothing of the future: shuffling what comes after a payment changes no value of its row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from fraudstream.backtest.label_order import Events, LabelledPayments, in_batches, in_order
from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import Type
from fraudstream.engine.frame_columns import as_numbers
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.trees.inputs import SCORE
from fraudstream.engine.verdict import Verdicts
from fraudstream.learning.known_labels import Names, known_by
from fraudstream.learning.sampling import Rows, Sample

BATCH_SIZE: Final = 20_000


@dataclasses.dataclass(frozen=True)
class Period:
    """Which payments are learned from, in ms since the epoch. Those before `from_ms` only fill the engine's state.

    Trees grow from payments in [`from_ms`, `split_ms`), calibration and threshold come from those from `split_ms` on
    whose label was known at `until_ms`. `label_delay_ms`: from a payment to its label.
    """

    from_ms: int
    split_ms: int
    until_ms: int
    label_delay_ms: int


class TrainingTable(NamedTuple):
    """Rows for the trees (`fit`) and, later ones, for calibration and threshold (`later`). `inputs`: their columns.

    `payments`: how many were read. `first_ms`, `last_ms`: event times of the first and the last.
    """

    inputs: tuple[str, ...]
    fit: Rows
    later: Rows
    payments: int
    first_ms: int
    last_ms: int


def training_table(
    rule_set: RuleSet,
    batches: Iterable[LabelledPayments | Events],
    inputs: Sequence[str],
    period: Period,
    genuine_max: int,
    *,
    labels: Names | None = None,
    batch_size: int = BATCH_SIZE,
    digest_key: DigestKey = PUBLIC_KEY,
    progress: Callable[[int, int], None] = lambda payments, frauds: None,
) -> TrainingTable:
    """Run the engine over payments and keep the labelled ones: all frauds, at most `genuine_max` genuine ones a slice.

    `inputs`: names, as `model_inputs` accepts them. `labels`: of a file with labels of its own, see `labels_given`.
    `progress` is called after each batch with its payments and its frauds. Raises whatever `batches` raises.
    """
    reading = dataclasses.replace(rule_set, rules=(), scorer=rule_set.base_score, challengers=())
    engine = Engine(reading, digest_key=digest_key)
    state = engine.new_state()
    fit, later = (Sample(genuine_max, len(inputs)) for _ in range(2))
    payments, first_ms, last_ms = 0, 0, 0
    known = known_by(batches, period.until_ms, period.label_delay_ms, labels or {})
    for batch in in_batches(in_order(known, period.label_delay_ms), batch_size):
        verdicts = engine.judge(batch.events, state)
        if not verdicts.n:
            continue
        times, fraud = verdicts.occurred_at_ms, batch.labels[verdicts.positions] == 1
        first_ms = first_ms or int(times[0])
        payments, last_ms = payments + verdicts.n, int(times[-1])
        usable = (batch.labels[verdicts.positions] >= 0) & ~verdicts.repeat & ~verdicts.late & (times >= period.from_ms)
        values = values_of(verdicts, inputs)
        for sample, chosen in ((fit, usable & (times < period.split_ms)), (later, usable & (times >= period.split_ms))):
            sample.add(values[chosen], fraud[chosen], times[chosen], verdicts.columns.event[chosen])
        progress(verdicts.n, int(fraud.sum()))
    return TrainingTable(tuple(inputs), fit.rows(), later.rows(), payments, first_ms, last_ms)


def values_of(verdicts: Verdicts, inputs: Sequence[str]) -> Float64Array:
    """The inputs of each payment as a model reads them, money in major units: float64, shape (n, inputs)."""
    types = verdicts.rule_set.catalogue.symbols
    values = np.empty((verdicts.n, len(inputs)), np.float64)
    for column, name in enumerate(inputs):
        if name == SCORE and SCORE not in types:
            values[:, column] = verdicts.score_points / POINTS_MAX
        elif types[name] is Type.MONEY:
            values[:, column] = verdicts.columns.column(name) / verdicts.columns.minor_per_major
        else:
            values[:, column] = as_numbers(verdicts.columns.column(name))
    return values
