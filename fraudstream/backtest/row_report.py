"""Reports the rows of a file that gave no payment: left out by `where`, or bad and skipped.

Skipped rows are written to a file of JSON lines, each with its place, the reason and its cells.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal

import msgspec

from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.contracts.dead_letter import ReasonCode


class BadRow(msgspec.Struct, frozen=True):
    """A row that gave no payment. `row`: counted from 1 after the header, or a line, as `unit` says. `cells`: the
    columns that the mapping reads; none where the row could not be split into columns.

    `reason`: code as in a dead letter, `sentence`: what is wrong with the value in `column`.
    """

    file: str
    row: int | None
    column: str | None
    reason: ReasonCode
    sentence: str
    cells: dict[str, str | None] = {}
    unit: RowUnit = "row"

    @property
    def place(self) -> str:
        """Where in its file it is."""
        return f"{self.unit} {self.row}" + (f", column {self.column!r}" if self.column is not None else "")


class BadRowError(PaymentFileError):
    """A row that gives no payment, where bad rows stop the file."""


class RowReport:
    """Counts rows without a payment and writes the bad ones to `path`, which appears when `close` is called.

    As a context manager it leaves the list of this run, or none: without a bad row it removes that of an earlier run,
    and after an error it leaves no part of one.

    Without a `path` they are only counted. `excluded`: rows left out by `where`. `notices`: sentences on how the file
    was read that a person should check; `on_notice` is called with each at once.
    """

    def __init__(self, path: Path | None = None, on_notice: Callable[[str], None] = lambda sentence: None) -> None:
        self.path = path
        self._on_notice = on_notice
        self.excluded = 0
        self.bad: dict[ReasonCode, int] = {}
        self.first: BadRow | None = None
        self.notices: list[str] = []
        self._file: BinaryIO | None = None

    @property
    def skipped(self) -> int:
        """Number of bad rows."""
        return sum(self.bad.values())

    def skip(self, row: BadRow) -> None:
        """Count and write a bad row. Raises `OSError`."""
        self.bad[row.reason] = self.bad.get(row.reason, 0) + 1
        self.first = self.first or row
        if self.path is None:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._draft.open("wb")
        self._file.write(msgspec.json.encode(row) + b"\n")

    def handler(self, on_bad_row: Literal["stop", "skip"]) -> Callable[[PaymentFileError], None]:
        """What a reader calls for a row that it cannot split into columns, or a line that is not a payment."""
        return _stop if on_bad_row == "stop" else self._skip_unread

    def _skip_unread(self, error: PaymentFileError) -> None:
        self.skip(BadRow(error.path, error.row, error.column, "invalid", error.sentence, unit=error.unit))

    def notice(self, sentence: str) -> None:
        """Add a notice, once."""
        if sentence not in self.notices:
            self.notices.append(sentence)
            self._on_notice(sentence)

    def __enter__(self) -> RowReport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            if self.path is not None and self._file is None:
                self.path.unlink(missing_ok=True)
            self.close()
        elif self._file is not None:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def close(self) -> None:
        """Complete the file, if there was a bad row. Raises `OSError`."""
        if self.path is not None and self._file is not None:
            self._file.close()
            self._draft.replace(self.path)

    @property
    def _draft(self) -> Path:
        assert self.path is not None
        return self.path.with_name(f".{self.path.name}.part")


def _stop(error: PaymentFileError) -> None:
    raise BadRowError(error.path, error.sentence, error.row, error.column, error.unit) from error
