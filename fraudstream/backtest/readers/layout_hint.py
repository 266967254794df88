"""What a user probably has to set when a CSV file lacks the columns of a mapping: separator or header row."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fraudstream.backtest.column_names import find_columns
from fraudstream.backtest.file_layout import SEPARATOR_WORDS, FileLayout
from fraudstream.backtest.readers.byte_stream import encoding_of, first_bytes
from fraudstream.backtest.readers.csv_records import Dialect
from fraudstream.backtest.readers.csv_table import cells_of

_LINES_TRIED = 100
_WORDS = {character: word for word, character in SEPARATOR_WORDS.items()} | {"\t": "tab"}


def layout_hint(path: Path, wanted: Iterable[str], layout: FileLayout) -> str:
    """` Set …`: the layout under which one of the first lines of the file names all columns `wanted`; empty if none
    does. `layout`: the one that did not."""
    names = list(wanted)
    head = first_bytes(path)
    if head.startswith(b"PAR1"):
        return ""
    encoding = encoding_of(head, layout.encoding)
    text = head[encoding.mark_bytes :].decode(encoding.name, "replace")
    now = layout.separator_of(path.name)
    lines = text.splitlines()[:_LINES_TRIED]
    for number, line in enumerate(lines, 1):
        for separator in dict.fromkeys([now, ",", ";", "\t", "|"]):
            cells = _cells(line, separator)
            if cells and find_columns(names, cells, "").fault is None:
                return _hint(number, separator, layout, now)
    return ""


def _cells(line: str, separator: str) -> tuple[str, ...]:
    return cells_of(line.encode(), Dialect(separator.encode(), b'"')) if separator in line else ()


def _hint(number: int, separator: str, layout: FileLayout, now: str) -> str:
    settings = []
    if separator != now:
        settings.append((f"separator: {_WORDS[separator]}", f"--separator {_WORDS[separator]}"))
    if number != (layout.header_row or 1):
        settings.append((f"header_row: {number}", f"--header-row {number}"))
    if not settings:
        return ""
    options = ", ".join(option for option, _ in settings)
    flags = " ".join(flag for _, flag in settings)
    found = f" Line {number} names them, separated by {_WORDS[separator]}:"
    return f"{found} set `file: {{{options}}}` in the mapping, or {flags}."
