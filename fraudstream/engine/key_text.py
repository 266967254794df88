"""The texts of keys with several parts, written from the columns of a frame. Compiled."""

from __future__ import annotations

from typing import Final

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.writing import put_bytes
from fraudstream.engine.arrays import Int64Array, UInt8Array
from fraudstream.engine.frame import Frame

SEPARATOR: Final = 0x1F  # between two parts of a key; no identifier contains it
DIGITS_MAX: Final = 2  # of a part that is a number
TEXT, NUMBER, BAND = range(3)  # what a part is: a text, a whole number, the band of the amount

_ZERO: Final = 0x30


@entry_point
def write_keys(
    buffer: UInt8Array,
    frame: Frame,
    parts: Int64Array,
    instead: int,
    out: UInt8Array,
    at: Int64Array,
    length: Int64Array,
) -> None:
    """Write the keys of n payments one after the other into `out`, and where each begins and its bytes.

    `buffer`: uint8, the texts that the frame's spans point into. `parts`: int64, shape (parts, 3): TEXT, NUMBER or
    BAND, the row in the frame, and 1 for a part that may be missing. `instead`: row of `Frame.text_at` of the text in
    place of an empty key, or -1. `out`: uint8, with room for all keys and `PADDING` bytes. `at`, `length`: int64, shape
    (n,). Raises `ValueError` where the frame is not of n payments.
    """
    if len(at) != len(frame.amount_minor) or len(length) != len(at):
        raise ValueError("the frame has another number of payments than there are keys")
    to = 0
    for i in range(len(at)):
        at[i] = to
        for k in range(len(parts)):
            what, row = parts[k, 0], parts[k, 1]
            before = to
            if k > 0:
                out[to] = SEPARATOR
                to += 1
                before = to
            if what == TEXT:
                to = put_bytes(out, to, buffer, frame.text_at[row, i], frame.text_length[row, i])
            elif what == NUMBER:
                number = frame.number[row, i]
                if number >= 0.0:  # not NaN
                    to = _put_number(out, to, int(number))
            else:
                to = _put_number(out, to, _doublings(frame.amount_minor[i]))
            if to == before and parts[k, 2] == 0:
                to = at[i]
                break
        if to == at[i] and instead >= 0:
            to = put_bytes(out, to, buffer, frame.text_at[instead, i], frame.text_length[instead, i])
        length[i] = to - at[i]


@jit
def _put_number(out: UInt8Array, to: int, number: int) -> int:
    """Write a whole number from 0 to 99 in decimal digits. Returns the index after it."""
    if number >= 10:
        out[to] = _ZERO + number // 10
        to += 1
    out[to] = _ZERO + number % 10
    return to + 1


@jit
def _doublings(amount: int) -> int:
    """How often an amount in minor units can be halved until 1 is left; 0 of 0."""
    found = 0
    while amount > 1:
        amount >>= 1
        found += 1
    return found
