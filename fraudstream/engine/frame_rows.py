"""Writes the columns of decoded payments into rows of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import pack
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.columns import Columns
from fraudstream.engine.entity_key import ATTRIBUTE, key_bytes
from fraudstream.engine.expression import PAYMENT_FIELDS
from fraudstream.engine.frame import Frame, new_frame
from fraudstream.engine.frame_columns import FrameColumns, FrameIndex, as_numbers
from fraudstream.engine.relation_columns import relations_of

NO_TEXTS: UInt8Array = np.frombuffer(bytes(PADDING), np.uint8)  # the buffer of a frame that is still empty


def frame_of(index: FrameIndex, columns: Columns) -> FrameColumns:
    """A frame with the payments of `columns`, converted."""
    frame = new_frame(index.layout, columns.n)
    buffer = write_rows(index, frame, slice(None), columns, NO_TEXTS)
    return FrameColumns(index, index.converted(frame), buffer, columns.payments)


def write_rows(
    index: FrameIndex, frame: Frame, rows: Int64Array | slice, columns: Columns, buffer: UInt8Array
) -> UInt8Array:
    """Write the payments of `columns` into these rows of the frame. Rows of features and lists are left as they are.

    `buffer`: the texts that the frame's spans point into. Returns it with the texts of these payments behind.
    """
    relations = relations_of(columns.payments, columns.digest_key)
    frame.occurred_at_ms[rows], frame.amount_minor[rows] = columns.occurred_at_ms, columns.amount_minor
    frame.currency[rows], frame.minor_per_major[rows] = columns.currency_code, columns.minor_per_major
    frame.relation[rows], frame.original[rows] = relations.relation, relations.original
    for name, row in index.numbers.items():
        if _is_of_payment(name):
            frame.number[row, rows] = as_numbers(columns.column(name))
    for name, row in index.texts.items():
        if row == 0 or _is_of_payment(name):
            frame.digest[row, rows] = columns.event if row == 0 else columns.column(name)
    end = len(buffer) - PADDING
    texts = pack(text for name in index.spans for text in _encoded(columns.payments, name))
    shape = (len(index.spans), columns.n)
    frame.text_at[:, rows], frame.text_length[:, rows] = (end + texts.at).reshape(shape), texts.length.reshape(shape)
    return np.frombuffer(buffer[:end].tobytes() + texts.buffer.tobytes(), np.uint8) if end else texts.buffer


def kept_rows(frame: Frame, rows: Int64Array) -> Frame:
    """The payments of a frame at `rows`, int64, in that order."""
    kept: list[Any] = [np.ascontiguousarray(column[..., rows]) for column in frame]
    return Frame(*kept)


def read_only(buffer: UInt8Array) -> UInt8Array:
    """A view that cannot be written to, so that all buffers are of one type of numba's."""
    if not buffer.flags.writeable:
        return buffer
    view = buffer.view()
    view.flags.writeable = False
    return view


def _is_of_payment(name: str) -> bool:
    """Whether a name is a field or an attribute of the payment: names of features have a point after their entity."""
    return name in PAYMENT_FIELDS or name.startswith(ATTRIBUTE)


def _encoded(payments: Sequence[Payment], name: str) -> list[bytes]:
    """A text field or attribute of the payments in UTF-8; empty where it is missing."""
    if name.startswith(ATTRIBUTE):
        short = name.removeprefix(ATTRIBUTE)
        texts = [None if payment.attributes is None else payment.attributes.get(short) for payment in payments]
        return [key_bytes(text) if isinstance(text, str) else b"" for text in texts]
    return [b"" if text is None else text.encode() for text in map(attrgetter(name), payments)]
