"""Messages of ISO 8583: authorisations, financial messages, reversals and advices, as a dialect encodes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import iso8583

from fraudstream.formats.card_numbers import CardIdentifier
from fraudstream.formats.iso8583_columns import MTI, Iso8583Column, Reading, element_path
from fraudstream.formats.iso8583_dialect import read_dialect
from fraudstream.formats.message import MessageError, Transaction, TransactionFault
from fraudstream.formats.message_layout import MessageLayout

MESSAGE_BYTES_MAX: Final = 64 * 1024
_MTI: Final = re.compile(r"[0-9]{4}")
_PATHS: Final = {"h": "header", "t": "MTI", "p": "bitmap", "1": "DE1 (bitmap)"}


class Iso8583Format:
    """Reads messages of the dialect that `layout` names, by default `ascii`. `columns`: see `iso8583_columns`.
    `card_identifier`: makes the identifier of a card.

    Raises `ValueError`, with a sentence, for an unknown column or dialect, and for columns that read a card's number
    without `card_identifier`.
    """

    def __init__(
        self, layout: MessageLayout, columns: Sequence[str], card_identifier: CardIdentifier | None = None
    ) -> None:
        self._dialect = read_dialect(layout.dialect or "ascii")
        self._reference_ms = layout.reference_ms
        self._columns = [Iso8583Column(column) for column in columns]
        self._card_identifier = card_identifier
        reading = next((column for column in self._columns if column.reads_card), None)
        if reading is not None and card_identifier is None:
            raise ValueError(
                f"column {reading.text!r} reads a card's number. Set cards.secret_file, under which cards get their "
                "identifiers, or cards.numbers."
            )

    def transactions(self, message: bytes, published_at_ms: int | None) -> list[Transaction]:
        """As `MessageFormat.transactions`: one."""
        elements = self._elements(message)
        reference_ms = published_at_ms if self._reference_ms is None else self._reference_ms
        reading = Reading(elements, reference_ms, self._card_identifier)
        values: list[str | None] = []
        fault: TransactionFault | None = None
        for index, column in enumerate(self._columns):
            value = None
            try:
                value = column.value(reading)
            except ValueError as error:
                fault = fault or TransactionFault(index, str(error))
            values.append(value)
        return [Transaction(values, self._path_of, fault)]

    def _path_of(self, column: int | None) -> str:
        return "MTI" if column is None else self._columns[column].path

    def _elements(self, message: bytes) -> dict[str, str]:
        """The data elements by number, and the message type. Raises `MessageError`."""
        if len(message) > MESSAGE_BYTES_MAX:
            raise MessageError(
                "too_large", f"has {len(message):,} bytes, more than the {MESSAGE_BYTES_MAX:,} that are read.", "MTI"
            )
        try:
            decoded, _ = iso8583.decode(message, self._dialect.spec)
        except iso8583.DecodeError as error:
            path = _PATHS.get(error.field, element_path(error.field))
            sentence = f"can't be decoded at byte {error.pos + 1} of {len(message)}: {error.msg}."
            raise MessageError("format", sentence, path) from None
        except KeyError as error:
            raise MessageError("format", "is not in the dialect.", element_path(str(error.args[0]))) from None
        if not _MTI.fullmatch(decoded["t"]):
            raise MessageError("format", f"{decoded['t']!r} is no message type of four digits.", "MTI")
        elements = {MTI: decoded["t"]}
        for element, text in decoded.items():
            if element.isdecimal() and element != "1":
                elements[element] = text[-self._dialect.digits[element] :] if element in self._dialect.digits else text
        return elements
