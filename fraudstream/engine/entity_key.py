"""The key of an entity in each payment: one field, or the text of several parts.

The text of several parts is the parts in their declared order, separated by the unit separator U+001F, which no field
may contain (an attribute with it counts as missing): `EUR`, `purchase`, `pos` become `EUR␟purchase␟pos`. It is the key
of the entity's row, and in a chain of stages the key of the record. Two payments have the same text only if they agree
in every part. A payment that lacks a part has no such entity, unless the part may be missing: then it is empty. Such a
part is written `channel?` here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import Packed, pack, sealed
from fraudstream.contracts.label import Label
from fraudstream.engine.aggregates.operands import KEYS
from fraudstream.engine.frame_columns import FrameColumns
from fraudstream.engine.key_text import BAND, DIGITS_MAX, NUMBER, SEPARATOR, TEXT, write_keys

AMOUNT_BAND: Final = "amount_band"  # doublings of the amount in minor units: 0 of 0 and 1, 1 of 2 and 3, 2 of 4 to 7 …
NUMBER_PARTS: Final = ("hour", "weekday", "card_present")  # whole numbers from 0 to 23 in `Frame.number`
KEY_PARTS: Final = ("account_id", *KEYS[:-1], *NUMBER_PARTS, AMOUNT_BAND)
KEY_PARTS_MAX: Final = 6

ATTRIBUTE: Final = "attributes."  # before the name of an attribute; a declared text one may be a part

OPTIONAL: Final = "?"  # behind a part that may be missing

Key = tuple[str, ...]  # the parts, in their declared order

_LABEL_FIELDS: Final = frozenset(Label.__struct_fields__)


def text_parts(keys: Iterable[Key]) -> list[str]:
    """The parts that are text fields."""
    return [name for name in _names(keys) if name not in NUMBER_PARTS and name != AMOUNT_BAND]


def number_parts(keys: Iterable[Key]) -> list[str]:
    """The parts that are numbers or flags of the payment."""
    return [name for name in _names(keys) if name in NUMBER_PARTS]


def _names(keys: Iterable[Key]) -> list[str]:
    """The parts without their question marks."""
    return [part.removesuffix(OPTIONAL) for key in keys for part in key]


def key_bytes(text: str) -> bytes:
    """An attribute as a part of a key, in UTF-8; empty, as if it were missing, if it contains U+001F, which separates
    parts, or U+0000, which separates keys in saved rows."""
    return b"" if chr(SEPARATOR) in text or "\0" in text else text.encode()


def keys_of(columns: FrameColumns, key: Key, instead: str | None = None) -> Packed:
    """The key of each payment, in UTF-8; empty where it lacks a part.

    `instead`: the text field that takes the place of a key that is empty; None: none does.
    """
    if len(key) == 1 and key[0] in columns.index.spans:
        own = columns.packed(key[0])
        if instead is None:
            return own
        other, lacks = columns.packed(instead), own.length == 0
        return Packed(own.buffer, np.where(lacks, other.at, own.at), np.where(lacks, other.length, own.length))
    index, frame = columns.index, columns.frame
    parts = np.array([_place(columns, part) for part in key], np.int64)
    spans = [index.spans[name] for name in (*text_parts([key]), *([instead] if instead else []))]
    size = int(frame.text_length[spans].sum()) + columns.n * len(key) * (DIGITS_MAX + 1) + PADDING
    out, at, length = np.empty(size, np.uint8), np.empty(columns.n, np.int64), np.empty(columns.n, np.int64)
    _write(columns.buffer, frame, parts, -1 if instead is None else index.spans[instead], out, at, length)
    return sealed(out, at, length)


def keys_of_labels(labels: Sequence[Label], key: Key) -> Packed:
    """The key that each label names, in UTF-8; empty where it does not name every part, as it can't say that one is
    missing."""
    if not _LABEL_FIELDS.issuperset(key):
        return _nothing(len(labels))
    named = [list(map(attrgetter(part), labels)) for part in key]
    if not all(map(any, named)):  # a part that no label names: most labels name the account alone
        return _nothing(len(labels))
    return pack(chr(SEPARATOR).join(texts).encode() if all(texts) else b"" for texts in zip(*named, strict=True))


def _nothing(n: int) -> Packed:
    """The empty key, `n` times."""
    zeros = np.zeros(n, np.int64)
    return Packed(_NO_BYTES, zeros, zeros)


def _place(columns: FrameColumns, part: str) -> tuple[int, int, bool]:
    """What a part is, its row in the frame, and whether it may be missing."""
    name = part.removesuffix(OPTIONAL)
    if name == AMOUNT_BAND:
        return BAND, 0, True
    if name in NUMBER_PARTS:
        return NUMBER, columns.index.numbers[name], name != part
    return TEXT, columns.index.spans[name], name != part


_NO_BYTES: Final = np.frombuffer(bytes(PADDING), np.uint8)
_write = Direct(write_keys)
