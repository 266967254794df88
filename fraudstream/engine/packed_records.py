"""Records of a changelog, packed: what a state hands to its checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fraudstream.compiled.packed import Packed, pack


class PackedRecords(NamedTuple):
    """`n` records. `keys` and `values`: none is missing; they may share a buffer."""

    keys: Packed
    values: Packed

    @property
    def n(self) -> int:
        """Number of records."""
        return len(self.keys.at)

    @property
    def size(self) -> int:
        """Bytes of keys and values."""
        return int(self.keys.length.sum()) + int(self.values.length.sum())

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Keys and values as Python objects."""
        keys, values = self.keys.strings(), self.values.strings()
        return [(key or b"", value or b"") for key, value in zip(keys, values, strict=True)]


def pack_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> PackedRecords:
    """Pack keys and values.

    >>> pack_pairs([(b"a", b"1"), (b"b", b"")]).pairs()
    [(b'a', b'1'), (b'b', b'')]
    """
    held: Sequence[tuple[bytes, bytes]] = list(pairs)
    return PackedRecords(pack(key for key, _ in held), pack(value for _, value in held))
