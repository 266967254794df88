"""The definition of one aggregate, as the registry holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fraudstream.engine.aggregates.operands import AMOUNT, NOTHING, SIZE, Operand
from fraudstream.engine.expression import Type


@dataclass(frozen=True, slots=True)
class PaneCells:
    """The cells that a pane holds for an aggregate, as cell kinds of `ring`. Cells of equal kind and filter are shared.

    `count`: how many payments counted. `values`: one cell kind for each operand, in the order of `Operand.choices`;
    empty: only the count is needed. `squares`: the same of the sums of squares; empty: they are not needed.
    """

    count: int
    values: tuple[int, ...] = ()
    squares: tuple[int, ...] = ()


class Prior(NamedTuple):
    """What is expected before there are payments. `prior`, `strength`: the defaults of these keys; `strength` is the
    number of payments that the expectation weighs as much as. `most`: the largest `prior`."""

    prior: float
    most: float
    strength: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate: the keys it takes in `features.yaml`, the data rows must hold for it, and the function that
    computes it.

    `id`: its number in `KernelPlan.spec`. It is part of the digest of forwarded features: never change or reuse one.
    `summary`: one sentence for the documentation. `type`: of its values in expressions.
    `answer`: compiled function; parameters as `dispatch.answer` documents them.
    `windowed`: it has a `window`. `takes_same`, `takes_delay`, `takes_where`: which of these keys it accepts.
    `panes`: what panes hold of the payments that left the ring; None: it can't be answered from panes.
    `reads_location`: slots must hold latitude and longitude. `keeps_last_time`: the overflow must hold the time of the
    newest payment that left the ring. `keeps_evicted_values`: it must hold the newest values of the operand's field
    that left the ring. `reads_labels`: it looks at the labels of payments, so an index is kept to find those by.
    `keeps_recent_labels`: rows must hold the labels of the last labelled payments; it takes `last`. `prior`: the
    aggregate takes `prior` and `strength`; None: it takes neither.
    """

    id: int
    name: str
    summary: str
    type: Type
    answer: Callable[..., tuple[float, int]]
    operand: Operand = NOTHING
    windowed: bool = True
    takes_same: bool = True
    takes_delay: bool = True
    takes_where: bool = True
    panes: PaneCells | None = None
    reads_location: bool = False
    keeps_last_time: bool = False
    keeps_evicted_values: bool = False
    reads_labels: bool = False
    keeps_recent_labels: bool = False
    prior: Prior | None = None

    def __post_init__(self) -> None:
        if self.panes is not None and self.panes.values:
            assert len(self.panes.values) == len(self.operand.choices), f"'{self.name}' needs a cell for each operand"
            assert len(self.panes.squares) in (0, len(self.panes.values)), (
                f"'{self.name}' needs a cell for each operand"
            )
        assert self.windowed or not self.takes_delay, f"'{self.name}' has a delay but no window"

    @property
    def is_of_amounts(self) -> bool:
        """Whether it reads amounts, and so counts only payments in the current payment's currency."""
        return self.operand is AMOUNT or self.operand is SIZE
