"""Converts messages to payments by mappings. The same code reads files (`backtest.payment_columns`), so a message in a
file and on a topic gets the same payment or the same refusal.

The messages of a batch are converted together, column by column. What becomes of one does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from fraudstream.backtest.mapping import Mapping
from fraudstream.backtest.payment_columns import PaymentColumns
from fraudstream.backtest.readers.message_table import row_batch
from fraudstream.backtest.row_report import BadRow, RowReport
from fraudstream.contracts import Payment
from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.formats.catalogue import NO_SERVICES, FormatServices, message_format
from fraudstream.formats.iso20022 import type_of_message
from fraudstream.formats.message import MessageError, Transaction

FAULTS_TOLD_MAX: Final = 10  # in the sentence of one dead letter


class Message(NamedTuple):
    """A message as published. `published_at_ms`: ms since the epoch, UTC."""

    value: bytes | None
    published_at_ms: int


class Refusal(NamedTuple):
    """Why a message, or a transaction of it, gives no payment. `path`: in the notation of its format."""

    reason: ReasonCode
    sentence: str
    path: str


class ConvertedMessage(NamedTuple):
    """The payments of a message, in its order; why others were refused; how many the mapping leaves out."""

    payments: list[Payment]
    refusals: list[Refusal]
    excluded: int

    def refusal(self) -> Refusal | None:
        """All refusals as one, for the dead letter of the message; None if there is none."""
        if not self.refusals:
            return None
        first, *others = self.refusals
        if not others:
            return first
        told = "".join(f" {other.path}: {other.sentence}" for other in others[: FAULTS_TOLD_MAX - 1])
        left = len(self.refusals) - FAULTS_TOLD_MAX
        more = f" And {left} more." if left > 0 else ""
        refused = f" {len(self.refusals)} transactions of the message are refused; the others are payments."
        return first._replace(sentence=first.sentence + refused + told + more)


class MessageConverter:
    """Converts messages by one mapping, or by one for each message type of ISO 20022.

    Raises `ValueError`, with a sentence, for mappings that cannot be used, or not together.
    """

    def __init__(self, mappings: Sequence[Mapping], services: FormatServices = NO_SERVICES) -> None:
        self._by_format: dict[str, _MappedFormat] = {}
        for mapping in mappings:
            if mapping.message is None:
                raise ValueError(f"mapping {mapping.name} is of files: it has no section `message`.")
            name = mapping.message.format
            if name in self._by_format:
                raise ValueError(f"two mappings are of {name}: give one.")
            self._by_format[name] = _MappedFormat(mapping, services)
        if not mappings:
            raise ValueError("there is no mapping: give --format, or --mapping.")
        if len(mappings) > 1 and not all(m.message is not None and m.message.is_iso20022 for m in mappings):
            raise ValueError("several mappings can only be of messages of ISO 20022, which name their type.")

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that are read."""
        return tuple(self._by_format)

    def convert(self, messages: Sequence[Message]) -> list[ConvertedMessage]:
        """What becomes of each message, in order."""
        converted = [ConvertedMessage([], [], 0) for _ in messages]
        parts: dict[str, list[int]] = {}
        for index, message in enumerate(messages):
            if message.value is None:
                converted[index].refusals.append(Refusal("format", "has no value: a message is due.", ""))
            elif (name := self._format_of(message.value)) in self._by_format:
                parts.setdefault(name, []).append(index)
            else:
                what = f"is a {name}" if name else "is no message of ISO 20022, or does not name its type"
                listed = ", ".join(self._by_format)
                refusal = Refusal("format", f"{what}; this bridge reads {listed}.", "/")
                converted[index].refusals.append(refusal)
        for name, indices in parts.items():
            found = self._by_format[name].convert([messages[index] for index in indices])
            for index, result in zip(indices, found, strict=True):
                converted[index] = result
        return converted

    def _format_of(self, value: bytes) -> str:
        """The format of a message; '' if it does not say."""
        if len(self._by_format) == 1:
            return next(iter(self._by_format))
        return type_of_message(value) or ""


class _MappedFormat:
    """Converts the messages of one format by its mapping."""

    def __init__(self, mapping: Mapping, services: FormatServices) -> None:
        assert mapping.message is not None
        self._mapping = msgspec.structs.replace(mapping, on_bad_row="skip")
        self._columns = list(mapping.columns)
        self._positions = {name: index for index, name in enumerate(self._columns)}
        self._format = message_format(mapping.message, self._columns, services)

    def convert(self, messages: Sequence[Message]) -> list[ConvertedMessage]:
        found: list[list[Transaction]] = []
        refusals: list[list[Refusal]] = [[] for _ in messages]
        for index, message in enumerate(messages):
            assert message.value is not None
            try:
                found.append(list(self._format.transactions(message.value, message.published_at_ms)))
            except MessageError as error:
                found.append([])
                refusals[index].append(Refusal(error.reason, error.sentence, error.path))
        owners = [(index, each) for index, transactions in enumerate(found) for each in transactions]
        bad, payments = self._payments([each for _, each in owners])
        return self._sorted(owners, payments, bad, refusals)

    def _payments(self, rows: Sequence[Transaction]) -> tuple[dict[int, BadRow], dict[int, Payment]]:
        """Bad rows and payments by the index of the row; rows that the mapping leaves out are in neither."""
        if not rows:
            return {}, {}
        report = _BadRows()
        numbers = np.arange(len(rows), dtype=np.int64)
        batch = PaymentColumns(self._mapping, "", report=report, unit="transaction").convert(
            row_batch([row.values for row in rows], self._columns), numbers
        )
        return report.rows, dict(zip(batch.rows.tolist(), batch.payments, strict=True))

    def _sorted(
        self,
        owners: Sequence[tuple[int, Transaction]],
        payments: dict[int, Payment],
        bad: dict[int, BadRow],
        refusals: list[list[Refusal]],
    ) -> list[ConvertedMessage]:
        """Everything by message, in the order of its transactions."""
        kept: list[list[Payment]] = [[] for _ in refusals]
        excluded = [0] * len(refusals)
        for row, (index, transaction) in enumerate(owners):
            if row not in payments and row not in bad:
                excluded[index] += 1
            elif transaction.fault is not None:
                column, sentence = transaction.fault
                refusals[index].append(Refusal("invalid", sentence, transaction.path_of(column)))
            elif row in bad:
                refusals[index].append(self._refusal(bad[row], transaction))
            else:
                kept[index].append(payments[row])
        return [ConvertedMessage(*parts) for parts in zip(kept, refusals, excluded, strict=True)]

    def _refusal(self, row: BadRow, transaction: Transaction) -> Refusal:
        path = transaction.path_of(None if row.column is None else self._positions.get(row.column))
        return Refusal(row.reason, row.sentence, path)


class _BadRows(RowReport):
    """Keeps bad rows by their number."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, BadRow] = {}

    def skip(self, row: BadRow) -> None:
        assert row.row is not None
        self.rows[row.row] = row
