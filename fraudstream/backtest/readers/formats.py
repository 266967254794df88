"""Which format a file has, by its content first and its name second, and the reader for it."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.readers.byte_stream import encoding_of, first_bytes
from fraudstream.backtest.readers.csv_table import CsvTable
from fraudstream.backtest.readers.json_table import JsonTable
from fraudstream.backtest.readers.parquet_table import ParquetTable
from fraudstream.backtest.readers.table import OnBadRow, Table, refuse
from fraudstream.contracts.error_text import system_error_text

Format = Literal["csv", "parquet", "json lines"]

PACKED = (".gz", ".zst", ".zstd", ".bz2", ".lz4")
MESSAGE_ENDINGS = (".xml", ".hex", ".iso8583", ".avro")  # of files that a mapping for messages reads
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".json": "json lines",
}
_ZEROS_IN_TEXT = 0.2  # share of bytes of value 0 from which a file is binary, or UTF-16 without a byte order mark
_PARQUET_MAGIC = b"PAR1"
_XML = (
    "an XML document. Messages of ISO 20022 need a mapping for messages, such as --mapping pacs.008; convert others, "
    "such as a statement in camt.053, to CSV or JSON lines"
)
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"ARROW1": "an Arrow or Feather file; write it as Parquet",
    b"ORC": "an ORC file; write it as Parquet",
    b"Obj\x01": "an Avro file, which needs a mapping for messages with `format: avro`; or write it as Parquet",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "compressed twice; unpack it once",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it",
    b"<?xml": _XML,
    b"<Document": _XML,
    b"<html": "an HTML page, as some banks give in place of a workbook; save the table as CSV",
    b"<!DOCTYPE": "an HTML page, as some banks give in place of a workbook; save the table as CSV",
    b"{1:F01": "a SWIFT message, such as MT940; convert it to CSV or JSON lines",
    b":20:": "a SWIFT message, such as MT940; convert it to CSV or JSON lines",
    b"OFXHEADER": "an OFX statement; convert it to CSV or JSON lines",
    b"!Type:": "a QIF statement; convert it to CSV or JSON lines",
    b"\xfd7zXZ": "compressed by xz; unpack it, or use gzip or zstd",
}


class Detected(NamedTuple):
    """The format of a file, and its first decompressed bytes."""

    format: Format
    head: bytes


def ending_of(name: str) -> str:
    """The ending that tells the format, without that of a compression: `.csv` of `a.csv.gz`."""
    lower = name.lower()
    for packed in PACKED:
        lower = lower.removesuffix(packed)
    return os.path.splitext(lower)[1]


def detect(path: Path, encoding: str | None = None) -> Detected:
    """The format of a file. `encoding`: as declared. Raises `PaymentFileError` if it is none of them."""
    head = _head(path)
    if not head:
        raise PaymentFileError(str(path), "is empty.")
    if head.startswith(_PARQUET_MAGIC):
        with path.open("rb") as file:
            if not file.read(4) == _PARQUET_MAGIC:
                raise PaymentFileError(str(path), "is a compressed Parquet file; unpack it.")
        return Detected("parquet", head)
    begin = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n\t ")
    for magic, description in _OTHER_FORMATS.items():
        if magic == b"ORC" and b"\0" not in head:
            continue  # a header may begin like that
        if head.startswith(magic) or (magic.isascii() and begin.startswith(magic)):
            raise PaymentFileError(str(path), f"is {description}. Parquet, CSV and JSON lines can be read.")
    if head[257:262] == b"ustar":
        raise PaymentFileError(str(path), "is a tar archive; unpack it.")
    named = ENDINGS.get(ending_of(path.name))
    if named == "parquet":
        raise PaymentFileError(str(path), "is not a Parquet file, although its name says so.")
    return Detected(_text_format(path, head, named, encoding), head)


def open_table(path: Path, layout: FileLayout, on_bad_row: OnBadRow = refuse) -> Table:
    """The columns and rows of a file. Raises `PaymentFileError`."""
    found = detect(path, layout.encoding)
    if found.format == "parquet":
        return ParquetTable(path)
    if found.format == "json lines":
        return JsonTable(path, layout, on_bad_row)
    return CsvTable(path, found.head, layout, on_bad_row)


def _head(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "a pipe or device, which cannot be read twice"
            raise PaymentFileError(str(path), f"is {what}; give a file.")
        return first_bytes(path)
    except FileNotFoundError:
        raise PaymentFileError(str(path), "can't be read: there is no such file.") from None
    except (OSError, pa.ArrowException) as error:
        reason = system_error_text(error) if isinstance(error, OSError) else str(error)
        raise PaymentFileError(str(path), f"can't be read: {reason}.") from error


def _text_format(path: Path, head: bytes, named: Format | None, encoding: str | None) -> Format:
    try:
        name, mark_bytes = encoding_of(head, encoding)
    except ValueError as error:
        raise PaymentFileError(str(path), str(error)) from error
    if b"\0" in head and not name.startswith(("utf-16", "utf-32")) and not _is_text(head, name):
        raise PaymentFileError(
            str(path),
            "is not text: it holds bytes of value 0. Parquet, CSV and JSON lines can be read. If it is UTF-16 without "
            "a byte order mark, set `encoding: utf-16-le` in the mapping's section `file`, or --encoding.",
        )
    text = head[mark_bytes:].decode(name, "replace")
    begin = text.lstrip()[:1]
    if begin == "[" and named != "csv":
        raise PaymentFileError(
            str(path), "is a JSON array; write one object a line (JSON lines), for example with `jq -c '.[]'`."
        )
    if named == "csv" and re.match(r'\s*\{\s*"', text):
        return "json lines"  # no header of a CSV file begins like an object
    return named or ("json lines" if begin == "{" else "csv")


def _is_text(head: bytes, encoding: str) -> bool:
    """Whether bytes with some of value 0 are text nevertheless: a few are, in cells that the contract refuses."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return head.count(b"\0") < _ZEROS_IN_TEXT * len(head)
