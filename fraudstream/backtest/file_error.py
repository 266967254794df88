"""Errors in a file of payments, located by file, row (counted from 1 after the header) or line, and column."""

from __future__ import annotations

from typing import Literal

RowUnit = Literal["row", "line", "transaction"]


class PaymentFileError(ValueError):
    """A file that cannot be read as payments. `row` and `column`: location of the fault, None if unknown.

    `unit`: what `row` counts; lines and transactions count from the beginning of the file.
    """

    def __init__(
        self,
        path: str,
        sentence: str,
        row: int | None = None,
        column: str | None = None,
        unit: RowUnit = "row",
    ) -> None:
        location = (
            path
            + (f", {unit} {row}" if row is not None else "")
            + (f", column {column!r}" if column is not None else "")
        )
        super().__init__(f"{location}: {sentence}")
        self.path = path
        self.sentence = sentence
        self.row = row
        self.column = column
        self.unit = unit
