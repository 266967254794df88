"""The list entries in one partition's state: which values are on each list, and until when, as its log says.

Values are found by a hash and compared by all their bytes: no other value is ever taken for one on a list. Entries of
lists that no rule set declares are kept as well, because a later rule set may declare them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.expression import DistinctTexts
from fraudstream.engine.key_index import NO_ROW, KeyIndex
from fraudstream.engine.networks import NetworkTable, parse_address, table_of

ABSENT = 0
FOR_EVER = np.iinfo(np.int64).max


class Lists:
    """Values by list. Times are ms since the epoch."""

    def __init__(self) -> None:
        self._until: dict[str, dict[str, int]] = {}  # by list: value to the time that it stays
        self._indexes: dict[str, _Index] = {}
        self._unsaved: dict[tuple[str, str], int] = {}
        self._networks: dict[str, NetworkTable] = {}

    def put(self, name: str, value: str, until_ms: int | None) -> None:
        """Put `value` on the list for payments that occur before `until_ms`; None: for all."""
        self._set(name, value, FOR_EVER if until_ms is None else until_ms)

    def remove(self, name: str, value: str) -> None:
        """Take `value` off the list."""
        self._set(name, value, ABSENT)

    def entries(self) -> dict[tuple[str, str], int]:
        """Until when each value is on its list, by list and value."""
        return {(name, value): until for name, of_list in self._until.items() for value, until in of_list.items()}

    def any_on(self, name: str) -> bool:
        """Whether the list has entries, expired ones included."""
        return bool(self._until.get(name))

    def until_ms(self, name: str, values: Sequence[str | None], occurred_at_ms: Int64Array) -> Int64Array:
        """Until when each value is on the list, `FOR_EVER`, or `ABSENT` if it is not when its payment occurs.

        int64, shape (n,). `values`: n texts, None for a missing one, which is on no list; not read if the list is
        empty. `occurred_at_ms`: int64, shape (n,).
        """
        if not self.any_on(name):
            return np.zeros(len(occurred_at_ms), np.int64)
        index = self._indexes.get(name)
        if index is None:
            index = self._indexes[name] = _Index(self._until[name])
        found = index.until_ms(values)
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
        of_list = self._until.setdefault(name, {})
        if until == ABSENT:
            of_list.pop(value, None)
        else:
            of_list[value] = until
        self._indexes.pop(name, None)
        self._networks.pop(name, None)
        self._unsaved[name, value] = until

    def _networks_on(self, name: str) -> NetworkTable:
        """The networks on a list. Entries from a time when the list held something else are none."""
        table = self._networks.get(name)
        if table is None:
            table = self._networks[name] = table_of(self._until[name])
        return table


class _Index:
    """The entries of one list, to look up the values of a batch. `until`: of each value, ms since the epoch."""

    def __init__(self, until: dict[str, int]) -> None:
        self._rows = KeyIndex()
        rows = self._rows.rows_of(list(until))
        self._until = np.zeros(len(rows), np.int64)
        self._until[rows] = list(until.values())

    def until_ms(self, values: Sequence[str | None]) -> Int64Array:
        """Until when each value is on the list, `ABSENT` if it is not: int64, shape (n,)."""
        rows = self._rows.rows_of(values, add=False)
        return np.where(rows == NO_ROW, ABSENT, self._until[rows])
