"""What is wrong with a file of payments, and where: file, row (counted from 1 below the header) and column."""

from __future__ import annotations


class PaymentFileError(ValueError):
    def __init__(self, path: str, sentence: str, row: int | None = None, column: str | None = None) -> None:
        place = (
            path + (f", row {row}" if row is not None else "") + (f", column {column!r}" if column is not None else "")
        )
        super().__init__(f"{place}: {sentence}")
        self.path = path
        self.sentence = sentence
        self.row = row
        self.column = column


class ColumnFault(ValueError):
    """What is wrong with the value at `index` of a column, before anyone knows which row of which file that is."""

    def __init__(self, index: int, sentence: str) -> None:
        super().__init__(sentence)
        self.index = index
        self.sentence = sentence
