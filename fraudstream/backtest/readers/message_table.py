"""Files of messages as rows: a document of ISO 20022; messages of ISO 8583 in hex, one a line, or with a length before
each; an Avro file; JSON, one object a line. A row is a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fraudstream.backtest.cells import Cells
from fraudstream.backtest.file_error import PaymentFileError, RowUnit
from fraudstream.backtest.readers.byte_stream import open_bytes
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, OnBadRow, RowBatch, refuse
from fraudstream.backtest.row_conditions import meet_all
from fraudstream.backtest.row_faults import BoolArray
from fraudstream.backtest.sources import RowCondition
from fraudstream.contracts.error_text import system_error_text
from fraudstream.formats.catalogue import NO_SERVICES, FormatServices, message_format
from fraudstream.formats.iso20022 import Iso20022Format
from fraudstream.formats.message import MESSAGE_BYTES_MAX, MessageError, Transaction
from fraudstream.formats.message_layout import Framing, MessageLayout

_CHUNK_BYTES: Final = 1 << 20
_LINE_BYTES_MAX: Final = MESSAGE_BYTES_MAX


class MessageTable:
    """The transactions of a file; a row's number is that of its transaction in the file. `columns`: of the mapping.
    `on_bad_row`: is called for each message that cannot be read and each transaction without a row.

    Raises `PaymentFileError` for a layout that cannot be used.
    """

    unit: RowUnit = "transaction"
    names = None
    row_count = None

    def __init__(
        self,
        path: Path,
        layout: MessageLayout,
        columns: Sequence[str],
        on_bad_row: OnBadRow = refuse,
        services: FormatServices = NO_SERVICES,
        conditions: Sequence[RowCondition] = (),
    ) -> None:
        """`conditions`: of `where`."""
        self._conditions = conditions
        self._path, self._layout, self._columns, self._on_bad_row = path, layout, list(columns), on_bad_row
        try:
            self._format = message_format(layout, columns, services)
        except ValueError as error:
            raise PaymentFileError(str(path), f"can't be read by the mapping: {error}") from error

    def batches(self, positions: dict[str, int]) -> Iterator[RowBatch]:
        """As `Table.batches`; the names of `positions` are the columns of the mapping."""
        numbered = enumerate(self._transactions(), start=1)
        while part := list(islice(numbered, ROWS_PER_BATCH)):
            numbers = np.array([number for number, _ in part], np.int64)
            batch = row_batch([transaction.values for _, transaction in part], self._columns)
            kept = ~self._refused(part, meet_all(Cells(batch, numbers), self._conditions))
            if kept.any():
                yield RowBatch(batch.filter(pa.array(kept)), numbers[kept])

    def _refused(self, part: Sequence[tuple[int, Transaction]], chosen: BoolArray) -> BoolArray:
        """Which of some numbered transactions cannot be read, and are told to be bad; those that `where` leaves out
        are not, whatever they hold. `chosen`: which it does not leave out."""
        refused = np.zeros(len(part), np.bool_)
        for index, (number, transaction) in enumerate(part):
            if transaction.fault is not None and chosen[index]:
                column, sentence = transaction.fault
                path = transaction.path_of(column)
                self._on_bad_row(PaymentFileError(str(self._path), sentence, number, path, "transaction"))
                refused[index] = True
        return refused

    def _transactions(self) -> Iterator[Transaction]:
        """Those of all messages; of a message that cannot be read none. Raises `PaymentFileError`."""
        try:
            with open_bytes(self._path) as stream:
                if isinstance(self._format, Iso20022Format):
                    yield from self._document(self._format, stream)
                    return
                if self._layout.format == "avro":
                    yield from self._container(stream)
                    return
                messages = _lines(stream) if self._layout.format == "json" else _messages(stream, self._layout.framing)
                for number, message in enumerate(messages, start=1):
                    try:
                        yield from self._format.transactions(message, None)
                    except MessageError as error:
                        self._refuse(error, number)
        except (OSError, pa.ArrowException) as error:
            reason = system_error_text(error) if isinstance(error, OSError) else str(error)
            raise PaymentFileError(str(self._path), f"can't be read: {reason}.") from error
        except _FramingError as error:
            raise PaymentFileError(str(self._path), str(error)) from error

    def _document(self, reader: Iso20022Format, stream: Any) -> Iterator[Transaction]:
        try:
            yield from reader.read(iter(lambda: bytes(stream.read(_CHUNK_BYTES)), b""))
        except MessageError as error:
            self._on_bad_row(PaymentFileError(str(self._path), error.sentence, None, error.path))

    def _container(self, stream: Any) -> Iterator[Transaction]:
        from fraudstream.formats.avro import AvroFormat

        assert isinstance(self._format, AvroFormat)
        try:
            for transactions in self._format.container(stream):
                yield from transactions
        except MessageError as error:
            raise PaymentFileError(str(self._path), error.sentence, None, error.path) from error

    def _refuse(self, error: MessageError, number: int) -> None:
        self._on_bad_row(PaymentFileError(str(self._path), error.sentence, number, error.path, "transaction"))


def row_batch(rows: Sequence[Sequence[str | None]], columns: Sequence[str]) -> Any:
    """Rows as an Arrow record batch of text columns, which a mapping converts."""
    return pa.record_batch([pa.array(values, pa.string()) for values in zip(*rows, strict=True)], names=list(columns))


class _FramingError(Exception):
    """What divides the messages of a file is not there. The sentence says what is wrong."""


def _messages(stream: Any, framing: Framing) -> Iterator[bytes]:
    """The messages of a file. Raises `_FramingError`."""
    if framing == "lines":
        for number, line in enumerate(_lines(stream), start=1):
            yield _from_hex(line, number)
        return
    width, number = int(framing.removeprefix("length")), 0
    while head := bytes(stream.read(width)):
        number += 1
        if len(head) == width and (width == 2 or head.isdigit()):
            length = int.from_bytes(head, "big") if width == 2 else int(head)
            message = bytes(stream.read(length))
            if len(message) == length:
                yield message
                continue
        raise _FramingError(f"message {number} ends too early, or its length of {width} bytes is wrong.")


def _lines(stream: Any) -> Iterator[bytes]:
    """The lines that are not blank. Raises `_FramingError`."""
    pending, number = b"", 0
    while chunk := bytes(stream.read(_CHUNK_BYTES)):
        *lines, pending = (pending + chunk).split(b"\n")
        number += len(lines)
        if len(pending) > _LINE_BYTES_MAX:
            raise _FramingError(f"line {number + 1} is longer than the {_LINE_BYTES_MAX:,} bytes that are read.")
        yield from (line for line in lines if line.strip())
    if pending.strip():
        yield pending


def _from_hex(line: bytes, number: int) -> bytes:
    """Raises `_FramingError`."""
    try:
        return bytes.fromhex(line.decode("ascii"))
    except ValueError:
        raise _FramingError(
            f"message {number} is not hex. Write each message in hex, one a line, or set `framing` in the mapping's "
            "section `message`: length2 (two bytes) or length4 (four digits) before each message."
        ) from None
