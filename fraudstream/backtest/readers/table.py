"""What every reader offers: the names of a file's columns, and its rows in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fraudstream.backtest.file_error import PaymentFileError, RowUnit

ROWS_PER_BATCH = 32_768
Int64Array = npt.NDArray[np.int64]
OnBadRow = Callable[[PaymentFileError], None]


class RowBatch(NamedTuple):
    """Some rows. `columns`: an Arrow record batch under the names that were asked for. `rows`: row numbers in the file,
    from 1; int64, shape (n,)."""

    columns: Any
    rows: Int64Array


class Table(Protocol):
    """A file with columns.

    `unit`: what its row numbers count. `names`: of its columns, in order; None if each row names its own. `row_count`:
    None if unknown before it is read.
    """

    @property
    def unit(self) -> RowUnit:
        """What row numbers count."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names, as the file has them."""

    @property
    def row_count(self) -> int | None:
        """The number of rows."""

    def batches(self, positions: dict[str, int]) -> Iterator[RowBatch]:
        """The columns at `positions`, from 0, under the names given; never an empty batch.

        Raises `PaymentFileError`.
        """


def refuse(error: PaymentFileError) -> None:
    """The `OnBadRow` that stops at the first row that cannot be read."""
    raise error
