"""Payments that are decoded from their records when somebody asks for them, as explanations of few rows do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.records import Records

_decode = msgspec.json.Decoder(Payment).decode


class RecordPayments(Sequence[Payment]):
    """The payments in the records at `positions`, int64, all of which hold a valid one."""

    def __init__(self, records: Records, positions: Int64Array) -> None:
        self._records, self._positions = records, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Payment: ...
    @overload
    def __getitem__(self, index: slice) -> RecordPayments: ...

    def __getitem__(self, index: int | slice) -> Payment | RecordPayments:
        """A payment, decoded now; or a part of them."""
        if isinstance(index, slice):
            return RecordPayments(self._records, self._positions[index])
        position, spans = self._positions.item(index), self._records.spans
        begin = spans.value_at.item(position)
        return _decode(self._records.buffer.data[begin : begin + spans.value_length.item(position)])

    def __iter__(self) -> Iterator[Payment]:
        return (self[index] for index in range(len(self)))
