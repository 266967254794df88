"""The layout of a file of payments: how its bytes become rows and cells. The section `file` of a mapping.

A CSV file does not declare its layout, so the mapping does. Parquet files need only `null_values`.
"""

from __future__ import annotations

import codecs
from typing import Annotated

import msgspec

NO_QUOTE = "none"
SEPARATOR_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", "\\t": "\t"}

# Codecs of Python that are no encodings of files: for domain names, and for source code.
_NOT_OF_FILES = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "unicode_escape", "raw_unicode_escape")


class FileLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The layout of a file.

    `separator`: one character between cells, or its name (comma, semicolon, tab, pipe, space); by default tab for files
    named .tsv or .tab, else comma. `encoding`: of the text, by default UTF-8, or UTF-16 if the file begins with its
    byte order mark. `quote`: the character around cells that contain separators or line breaks, or `none`.
    `escape`: the character before a quote, separator or line break that belongs to a cell, such as a backslash; without
    it a quote within a quoted cell is doubled.
    `header_row`: number of the line with the column names, counted from 1; lines before it are skipped; 0: there are
    none. `columns`: names for the columns of a file without a header. `trailer_rows`: rows to skip at the end, such as
    a total. `null_values`: words that mean that a value is missing, for all columns or by column; empty cells always
    do.

    Raises `ValueError` for a value that cannot be used.
    """

    separator: str | None = None
    encoding: str | None = None
    quote: str = '"'
    escape: str | None = None
    header_row: Annotated[int, msgspec.Meta(ge=0)] | None = None
    columns: tuple[str, ...] = ()
    trailer_rows: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    null_values: tuple[str, ...] | dict[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        """Check every value. Raises `ValueError`."""
        if self.separator is not None:
            _check_character("separator", _separator_character(self.separator))
        if self.quote != NO_QUOTE:
            _check_character("quote", self.quote)
        if self.escape is not None:
            _check_character("escape", self.escape)
        if self.quote == self.separator:
            raise ValueError(f"separator and quote are both {self.quote!r}")
        if self.encoding is not None:
            _check_encoding(self.encoding)
        if self.columns and self.header_row:
            raise ValueError("columns names the columns of a file without a header, but header_row says it has one")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns has a name twice")

    def separator_of(self, file_name: str) -> str:
        """The character that separates the cells of a file of this name."""
        if self.separator is not None:
            return _separator_character(self.separator)
        stem = file_name.lower().removesuffix(".gz").removesuffix(".zst").removesuffix(".bz2").removesuffix(".lz4")
        return "\t" if stem.endswith((".tsv", ".tab")) else ","

    @property
    def has_header(self) -> bool:
        """Whether the file has a line of column names."""
        return not self.columns and self.header_row != 0

    def null_words(self, column: str) -> tuple[str, ...] | None:
        """The words that mean that a value of `column` is missing; None if the layout does not say."""
        if isinstance(self.null_values, dict):
            return self.null_values.get(column)
        return self.null_values


def _separator_character(separator: str) -> str:
    return SEPARATOR_WORDS.get(separator, separator)


def _check_character(name: str, character: str) -> None:
    if len(character) != 1 or not character.isascii() or character.isalnum() or character in "\r\n\0":
        words = f" or {', '.join(list(SEPARATOR_WORDS)[:-1])}" if name == "separator" else f" or {NO_QUOTE}"
        raise ValueError(f"{name} is {character!r}, expected one ASCII character that is no letter or digit{words}")


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
        if codecs.lookup(encoding).name in _NOT_OF_FILES:
            raise LookupError(encoding)
    except (LookupError, UnicodeError):
        raise ValueError(
            f"encoding is {encoding!r}, which is not known; there are utf-8, utf-16, cp1252, latin-1, cp437 and others"
        ) from None
