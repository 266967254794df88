"""Reads JSON lines as columns: the keys of the objects, nested ones by a dotted path.

Every value is text as it is written in the file, so no amount goes through a float and no id loses digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, OnBadRow, RowBatch, refuse
from fraudstream.backtest.readers.text_lines import line_batches

_EXACT_DIGITS = 16  # whole numbers of a float are shown in full up to here


class JsonTable:
    """A file of JSON objects, one a line; a row's number is that of its line. `on_bad_row`: is called for each line
    that is no object."""

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
                content = _object(line)
                values = [_text(_value(content, name, absent), name) for name in names]
            except ValueError as error:
                self._on_bad_row(PaymentFileError(str(self._path), str(error), number, unit="line"))
            else:
                rows.append(values)
                kept.append(number)
        return rows, kept


def _object(line: bytes) -> dict[str, Any]:
    """The object of a line, its numbers as text. Raises `ValueError` with a sentence."""
    try:
        content = json.loads(
            line, parse_int=str, parse_float=_number, parse_constant=_constant, object_pairs_hook=_once_each
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not valid JSON: {error}. Each line holds one object.") from error
    if not isinstance(content, dict):
        raise ValueError("is not a JSON object.")
    return content


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"has the key {twice!r} twice.")
    return content


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


def _number(text: str) -> str:
    """A number with a decimal point as text: whole ones without it, as in other formats."""
    value = Decimal(text)
    small = value.is_finite() and value.adjusted() < _EXACT_DIGITS
    return str(int(value)) if small and value == value.to_integral_value() else text


def _constant(text: str) -> str | None:
    return None if text == "NaN" else text
