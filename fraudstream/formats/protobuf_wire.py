"""The wire format of Protobuf behind the schema's id: which message of the schema it is, then the message.

The message is named by indexes: that of a message of the file, then of a message within it, and so on. They are
zigzag-encoded numbers of seven bits a byte, their count before them. A single 0 stands for the file's first message.
"""

from __future__ import annotations

from typing import Final

from fraudstream.formats.message import MessageError

INDEXES_MAX: Final = 32  # messages within messages
_NUMBER_BYTES_MAX: Final = 5


def message_indexes(payload: bytes) -> tuple[tuple[int, ...], int]:
    """The indexes at the beginning of `payload`, and where the message begins. Raises `MessageError`.

    >>> message_indexes(b"\\x00rest"), message_indexes(b"\\x04\\x02\\x06rest")
    (((0,), 1), ((1, 3), 3))
    """
    count, at = _number(payload, 0)
    if count == 0:
        return (0,), at
    if not 0 < count <= INDEXES_MAX:
        raise _error(f"names its message by {count} indexes; 1 to {INDEXES_MAX} can be read.")
    indexes = []
    for _ in range(count):
        index, at = _number(payload, at)
        if index < 0:
            raise _error(f"names its message by the index {index}.")
        indexes.append(index)
    return tuple(indexes), at


def _number(payload: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = 0
    for place, byte in enumerate(payload[at : at + _NUMBER_BYTES_MAX]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + place + 1
    raise _error("ends before, or in, the indexes that name its message.")


def _error(sentence: str) -> MessageError:
    return MessageError("format", sentence, "$")
