"""The format in which rows are written to a changelog and read back.

A changelog is compacted by key, so each record holds everything for its key, and a key identifies a part of a row that
changes together:

    entity \\0 key \\0 c3     the row's header, and slots 12 to 15 of its block
    entity \\0 key \\0 e      the row's header, and its overflow's last times, evicted values and payments at the floor
    entity \\0 key \\0 p2     the overflow's panes 8 to 11
    entity \\0 key \\0 l      the last labelled payments, as in `recent_labels`

A header never changes without a slot or the overflow, so it has no record of its own: the last record written for a row
has the current header. Numbers are little-endian, as in the arrays. `changed_rows` writes records, `restored_rows`
reads them back.
"""

from __future__ import annotations

import numpy as np

HEADER = np.dtype(
    [
        ("floor_ms", "<i8"),
        ("first_ms", "<i8"),
        ("room", "<i4"),
        ("start", "<i4"),
        ("held", "<i4"),
        ("uncounted", "<i4"),
    ],
    align=False,
)


def read_key(key: bytes) -> tuple[str, str, str]:
    """Entity, key and part of a saved record."""
    entity, _, rest = key.partition(b"\0")
    text, _, part = rest.rpartition(b"\0")
    return entity.decode(), text.decode(), part.decode()
