"""The training table: what the engine knew of each payment when it decided it, and what its label said later.

The engine of the stream runs over the payments in order, with labels at the time at which they came. So a row holds
nothing of the future: shuffling what comes after a payment changes no value of its row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from fraudstream.backtest.label_order import Events, LabelledPayments, in_batches, in_order
from fraudstream.engine.arrays import Float64Array, Int8Array
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import Type
from fraudstream.engine.frame_columns import as_numbers
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.trees.inputs import SCORE
from fraudstream.engine.verdict import Verdicts
from fraudstream.learning.known_labels import KnownLabels, Names, known_by
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


class TableBuilder:
    """Collects the training table of a period from judged batches, in their order.

    `inputs`: names, as `model_inputs` accepts them. `genuine_max`: genuine payments to keep of a slice.
    """

    def __init__(self, inputs: Sequence[str], period: Period, genuine_max: int) -> None:
        self._inputs, self._period = tuple(inputs), period
        self._fit, self._later = (Sample(genuine_max, len(inputs)) for _ in range(2))
        self._payments = 0
        self._first_ms: int | None = None
        self._last_ms = 0

    def add(self, verdicts: Verdicts, values: Float64Array, labels: Int8Array) -> None:
        """Add the payments of a batch that are before the end of the period. `values`: as `values_of` gives them.
        `labels`: as known at that end: 1 fraud, 0 genuine, -1 none; int8, shape (n,)."""
        times, period = verdicts.occurred_at_ms, self._period
        read = times[times < period.until_ms]
        if not len(read):
            return
        self._first_ms = int(read[0]) if self._first_ms is None else self._first_ms
        self._payments, self._last_ms = self._payments + len(read), int(read[-1])
        usable = (labels >= 0) & ~verdicts.repeat & ~verdicts.late
        usable &= (times >= period.from_ms) & (times < period.until_ms)
        for sample, chosen in (
            (self._fit, usable & (times < period.split_ms)),
            (self._later, usable & (times >= period.split_ms)),
        ):
            sample.add(values[chosen], labels[chosen] == 1, times[chosen], verdicts.columns.event[chosen])

    def table(self) -> TrainingTable:
        """What was collected."""
        fit, later = self._fit.rows(), self._later.rows()
        return TrainingTable(self._inputs, fit, later, self._payments, self._first_ms or 0, self._last_ms)


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
    builder = TableBuilder(inputs, period, genuine_max)
    known = KnownLabels(period.until_ms, period.label_delay_ms, labels)
    for batch, verdicts in judged_batches(rule_set, batches, known, batch_size, digest_key):
        builder.add(verdicts, values_of(verdicts, inputs), batch.labels[verdicts.positions])
        progress(verdicts.n, int((batch.labels == 1).sum()))
    return builder.table()


def judged_batches(
    rule_set: RuleSet,
    batches: Iterable[LabelledPayments | Events],
    known: KnownLabels,
    batch_size: int = BATCH_SIZE,
    digest_key: DigestKey = PUBLIC_KEY,
) -> Iterator[tuple[Events, Verdicts]]:
    """What the rule set's score and features are of the payments before `known.until_ms`, each batch with its events.

    Rules and models are left out. Labels come to the engine when they are known, and none after `known.until_ms`.
    """
    engine = Engine(
        dataclasses.replace(rule_set, rules=(), scorer=rule_set.base_score, challengers=()), digest_key=digest_key
    )
    state = engine.new_state()
    for batch in in_batches(in_order(known_by(batches, known), known.delay_ms), batch_size):
        verdicts = engine.judge(batch.events, state)
        if verdicts.n:
            yield batch, verdicts


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
