"""The list entries in one partition's state: which values are on each list, and until when, as its log says.

A value is represented by its digest, as text is in expressions. Entries of lists that no rule set declares are kept as
well, because a later rule set may declare them.
"""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arrays import Int64Array, UInt64Array
from fraudstream.engine.digest import digest_text
from fraudstream.engine.expression import DistinctTexts
from fraudstream.engine.networks import NetworkTable, parse_address, table_of

ABSENT = 0
FOR_EVER = np.iinfo(np.int64).max


class Lists:
    """Values by list. Times are ms since the epoch."""

    def __init__(self) -> None:
        self._until: dict[str, dict[int, int]] = {}  # by list: digest of a value to the time that it stays
        self._sorted: dict[str, tuple[UInt64Array, Int64Array]] = {}
        self._unsaved: dict[tuple[str, str], int] = {}
        self._texts: dict[str, dict[str, int]] = {}  # as `_until`, by the values themselves
        self._networks: dict[str, NetworkTable] = {}

    def put(self, name: str, value: str, until_ms: int | None) -> None:
        """Put `value` on the list for payments that occur before `until_ms`; None: for all."""
        self._set(name, value, FOR_EVER if until_ms is None else until_ms)

    def remove(self, name: str, value: str) -> None:
        """Take `value` off the list."""
        self._set(name, value, ABSENT)

    def entries(self) -> dict[tuple[str, int], int]:
        """Until when each value is on its list, by the list and the value's digest."""
        return {(name, digest): until for name, of_list in self._until.items() for digest, until in of_list.items()}

    def any_on(self, name: str) -> bool:
        """Whether the list has entries, expired ones included."""
        return bool(self._until.get(name))

    def until_ms(self, name: str, digests: UInt64Array, occurred_at_ms: Int64Array) -> Int64Array:
        """Until when each value is on the list, `FOR_EVER`, or `ABSENT` if it is not when its payment occurs.

        int64, shape (n,). `digests`: of the values, uint64, shape (n,), 0 for a missing one, which is on no list.
        `occurred_at_ms`: int64, shape (n,).
        """
        if not self.any_on(name):
            return np.zeros(len(digests), np.int64)
        known, until = self._arrays(name)
        at = np.minimum(np.searchsorted(known, digests), len(known) - 1)
        found = np.where(known[at] == digests, until[at], ABSENT)
        return np.where(found > occurred_at_ms, found, ABSENT)

    def until_ms_of_networks(self, name: str, addresses: DistinctTexts, occurred_at_ms: Int64Array) -> Int64Array:
        """Until when a network that holds each address is on the list; as `until_ms`: int64, shape (n,).

        `addresses`: n texts; one that is no address is in no network.
        """
        if not self.any_on(name):
            return np.zeros(len(occurred_at_ms), np.int64)
        networks = self._networks_on(name)
        parsed = [parse_address(text) for text in addresses.texts]
        of_text = np.array([ABSENT if found is None else networks.until_ms(found) for found in parsed], np.int64)
        until = addresses.taken(of_text, ABSENT)
        return np.where(until > occurred_at_ms, until, ABSENT)

    def changes(self) -> list[tuple[bytes, bytes]]:
        """The entries set since the last call, as records that `restore` reads back."""
        unsaved, self._unsaved = self._unsaved, {}
        return [(f"{name}\0{value}".encode(), b"%d" % until) for (name, value), until in unsaved.items()]

    def restore(self, key: bytes, value: bytes) -> None:
        """Apply a record that `changes` returned; it counts as saved."""
        name, _, text = key.decode().partition("\0")
        self._set(name, text, int(value))
        del self._unsaved[name, text]

    def _set(self, name: str, value: str, until: int) -> None:
        of_list, digest = self._until.setdefault(name, {}), digest_text(value)
        if until == ABSENT:
            of_list.pop(digest, None)
        else:
            of_list[digest] = until
        self._sorted.pop(name, None)
        self._networks.pop(name, None)
        texts = self._texts.setdefault(name, {})
        if until == ABSENT:
            texts.pop(value, None)
        else:
            texts[value] = until
        self._unsaved[name, value] = until

    def _networks_on(self, name: str) -> NetworkTable:
        """The networks on a list. Entries from a time when the list held something else are none."""
        table = self._networks.get(name)
        if table is None:
            table = self._networks[name] = table_of(self._texts[name])
        return table

    def _arrays(self, name: str) -> tuple[UInt64Array, Int64Array]:
        """Of a list with entries: the digests, ascending, and until when each is on it; uint64 and int64."""
        arrays = self._sorted.get(name)
        if arrays is None:
            of_list = self._until[name]
            known = np.array(list(of_list), np.uint64)
            order = np.argsort(known)
            arrays = self._sorted[name] = (known[order], np.array(list(of_list.values()), np.int64)[order])
        return arrays
