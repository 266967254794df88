"""Reads JSON lines as columns: the keys of the objects, nested ones by a dotted path.

Every value is text as it is written in the file, so no amount goes through a float and no id loses digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, OnBadRow, RowBatch, refuse
from fraudstream.backtest.readers.text_lines import line_batches
from fraudstream.formats.json_object import json_object


class JsonTable:
    """A file of JSON objects, one a line; a row's number is that of its line. `on_bad_row`: is called for each line
    that is no object."""

    unit: RowUnit = "line"
    names = None
    row_count = None

    def __init__(self, path: Path, layout: FileLayout, on_bad_row: OnBadRow = refuse) -> None:
        self._path, self._layout, self._on_bad_row = path, layout, on_bad_row

    def batches(self, positions: dict[str, int]) -> Iterator[RowBatch]:
        """As `Table.batches`; only the names of `positions` are used. A key that a line lacks is null; one that all
        lines lack is refused at the end."""
        absent = set(positions)
        found_rows = False
        for lines, numbers in line_batches(self._path, self._layout.encoding):
            for start in range(0, len(lines), ROWS_PER_BATCH):
                part = slice(start, start + ROWS_PER_BATCH)
                rows, kept = self._rows(lines[part], numbers[part], list(positions), absent)
                if kept:
                    found_rows = True
                    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
                    batch = pa.record_batch(columns, names=list(positions))
                    yield RowBatch(batch, np.array(kept, np.int64))
        if absent and found_rows:
            raise PaymentFileError(
                str(self._path),
                f"has no key {', '.join(map(repr, sorted(absent)))} in any line, which the mapping reads.",
            )

    def _rows(
        self, lines: list[bytes], numbers: list[int], names: list[str], absent: set[str]
    ) -> tuple[list[list[str | None]], list[int]]:
        """The values of each line under `names`, and the line numbers of those. Takes the keys found from `absent`."""
        rows, kept = [], []
        for line, number in zip(lines, numbers, strict=True):
            try:
                content = json_object(line)
                values = [_text(_value(content, name, absent), name) for name in names]
            except ValueError as error:
                self._on_bad_row(PaymentFileError(str(self._path), str(error), number, unit="line"))
            else:
                rows.append(values)
                kept.append(number)
        return rows, kept


def _value(content: dict[str, Any], name: str, absent: set[str]) -> Any:
    """The value of a key or dotted path; None if it is not there."""
    found: Any = content
    if name in content:
        found = content[name]
    else:
        for key in name.split("."):
            if not isinstance(found, dict) or key not in found:
                return None
            found = found[key]
    absent.discard(name)
    return found


def _text(value: Any, name: str) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        kind = "an object; give the path of a value in it" if isinstance(value, dict) else "an array"
        raise ValueError(f"{name!r} is {kind}.")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name!r} holds half of a surrogate pair, which is no character.") from None
    return value  # type: ignore[no-any-return]  # numbers are text already
