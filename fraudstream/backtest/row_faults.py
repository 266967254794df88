"""The faults of the rows of one batch, collected column by column: at most one for each row, the first found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.contracts.dead_letter import ReasonCode

BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]


class ColumnError(ValueError):
    """A column of a type that cannot hold what the mapping reads from it. `column`: its name."""

    def __init__(self, column: str | None, sentence: str) -> None:
        super().__init__(sentence)
        self.column = column
        self.sentence = sentence


class RowFault(NamedTuple):
    """Why a row gives no payment. `at`: index of the row in its batch; `reason`: code as in a dead letter."""

    at: int
    column: str | None
    reason: ReasonCode
    sentence: str


class RowFaults:
    """Collects the faults of `n` rows."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._first: dict[int, RowFault] = {}

    def add(self, fault: RowFault) -> None:
        """Add a fault, unless its row has one."""
        self._first.setdefault(fault.at, fault)

    @property
    def found(self) -> list[RowFault]:
        """In the order of the rows."""
        return [fault for _, fault in sorted(self._first.items())]

    @property
    def good(self) -> BoolArray:
        """Which rows have no fault; bool, shape (n,)."""
        good = np.ones(self.n, np.bool_)
        good[list(self._first)] = False
        return good

    def column(self, name: str | None, reason: ReasonCode = "invalid") -> ColumnFaults:
        """Collects faults of the column `name`."""
        return ColumnFaults(self, name, reason)


class ColumnFaults:
    """Collects faults of one column. `rows`: indices in the batch of the values looked at, int64; None: all."""

    def __init__(
        self, faults: RowFaults, column: str | None, reason: ReasonCode, rows: Int64Array | None = None
    ) -> None:
        self._faults, self.column, self._reason, self._rows = faults, column, reason, rows

    def within(self, rows: Int64Array) -> ColumnFaults:
        """For the values of some `rows` only: their indices in the batch, int64."""
        return ColumnFaults(self._faults, self.column, self._reason, rows)

    def add(self, wrong: Any, sentence: Callable[[int], str]) -> None:
        """Add a fault for each value of `wrong`, a boolean array, Arrow (null: false) or NumPy; `sentence` of its
        index."""
        mask = wrong if isinstance(wrong, np.ndarray) else as_mask(wrong)
        for index in np.flatnonzero(mask).tolist():
            row = index if self._rows is None else int(self._rows[index])
            self._faults.add(RowFault(row, self.column, self._reason, sentence(index)))


def as_mask(array: Any) -> BoolArray:
    """An Arrow boolean array as NumPy, null as false; bool, shape (n,)."""
    mask: BoolArray = array.fill_null(False).to_numpy(zero_copy_only=False)
    return mask
