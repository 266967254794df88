"""The first verdicts of a partition's last payments, for a deciding stage that is not the account's: the account stage
detects repeats, but has no verdicts; the deciding stage answers them from here.

A ring in the order of the log, searched by digest through chains:

    heads[digest & mask] ──► newest with that bucket ──before──► an older one ──before──► … until the ring dropped it

Entry number k is held at index k % size. Chains hold entry numbers, so the number shows that an entry was overwritten,
and nothing has to be removed from a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import Int8Array, Int32Array, Int64Array, UInt64Array
from fraudstream.engine.kernel_types import FRESH, REPEATS

LEDGER_MAX = 1 << 18
UNKNOWN = -(1 << 31)  # instead of a score: the ledger does not hold the payment

_CHUNK = 256  # entries of one changelog record
_ROOM = 4 * _CHUNK  # entries at first; doubled up to the ledger's size
_ENTRY = np.dtype([("event", "<u8"), ("score", "<i4"), ("verdict", "<i4")])


class FirstVerdicts(NamedTuple):
    """Of the repeats among a batch's payments, shape (n,). `score`: millionths; `UNKNOWN`; or below 0: that of the
    batch's payment number -(score + 1), which is not decided yet. `verdict`: number in the state's list of findings."""

    score: Int32Array
    verdict: Int32Array


class Ledger:
    """Holds the first verdicts of the last `size` fresh payments. `size`: a power of two."""

    def __init__(self, size: int = LEDGER_MAX) -> None:
        self.size, self.count = size, 0  # `count`: of all entries made
        self._entries: NDArray[Any] = np.zeros(min(_ROOM, size), _ENTRY)
        self._before: Int64Array = np.zeros(0, np.int64)
        self._heads: Int64Array = np.zeros(0, np.int64)  # empty: to be made from the entries
        self._saved = 0

    def enter(self, event: UInt64Array, status: Int8Array) -> FirstVerdicts:
        """Find the repeats among payments and enter the fresh ones, in order; `judged` then sets their verdicts.

        `event`: digest of event_id, uint64; `status`: int8; both of shape (n,), in the order of the log.
        """
        self._make_room(self.count + int(np.count_nonzero(status == FRESH)))
        if not len(self._heads):
            self._before = np.full(len(self._entries), -1, np.int64)
            self._heads = np.full(len(self._entries), -1, np.int64)
            _index(self._entries["event"], self._before, self._heads, self.count)
        first = FirstVerdicts(np.zeros(len(event), np.int32), np.zeros(len(event), np.int32))
        columns = (self._entries["event"], self._entries["score"], self._entries["verdict"])
        self.count = _enter(*columns, self._before, self._heads, self.count, event, status, *first)
        return first

    def judged(self, score: Int32Array, verdict: Int32Array) -> None:
        """Set the verdicts of the n fresh payments entered last, in order: millionths and findings; int32."""
        numbers = np.arange(self.count - len(score), self.count)
        held = numbers >= self.count - len(self._entries)
        indexes = numbers[held] % len(self._entries)
        self._entries["score"][indexes], self._entries["verdict"][indexes] = score[held], verdict[held]

    def changes(self) -> list[tuple[int, bytes]]:
        """The chunks that have changed since the last call: (number, encoded entries)."""
        numbers = np.arange(max(self._saved, self.count - len(self._entries)), self.count)
        self._saved = self.count
        filled = min(self.count, len(self._entries))
        return [
            (chunk, self._entries[_CHUNK * chunk : min(_CHUNK * chunk + _CHUNK, filled)].tobytes())
            for chunk in np.unique(numbers % len(self._entries) // _CHUNK).tolist()
        ]

    def restore(self, chunks: Sequence[tuple[int, bytes]], count: int) -> None:
        """Restore saved chunks. `count`: how many entries had been made when the last of them was saved."""
        for chunk, data in chunks:
            entries = np.frombuffer(data, _ENTRY)
            self._make_room(_CHUNK * chunk + len(entries))
            self._entries[_CHUNK * chunk : _CHUNK * chunk + len(entries)] = entries
        self._make_room(count)
        self.count = self._saved = count
        self._heads = np.zeros(0, np.int64)

    def _make_room(self, count: int) -> None:
        """Grow until `count` entries fit, up to `size`."""
        room = len(self._entries)
        while room < min(count, self.size):
            room = min(2 * room, self.size)
        if room > len(self._entries):  # it has never been full, so every entry keeps its index
            entries = np.zeros(room, _ENTRY)
            entries[: len(self._entries)] = self._entries
            self._entries, self._heads = entries, np.zeros(0, np.int64)


@entry_point
def _index(event: UInt64Array, before: Int64Array, heads: Int64Array, count: int) -> None:
    """Make the chains of the entries held. `event`: uint64, digest of each entry; `before`: int64, number of the next
    older one of its bucket, or -1; `heads`: int64, number of the newest of each bucket, or -1; all of shape (size,).
    `count`: entries ever made."""
    mask = np.uint64(len(heads) - 1)
    for number in range(max(0, count - len(event)), count):
        index = number % len(event)
        bucket = np.int64(event[index] & mask)
        before[index] = heads[bucket]
        heads[bucket] = number


@entry_point
def _enter(
    events: UInt64Array,
    scores: Int32Array,
    verdicts: Int32Array,
    before: Int64Array,
    heads: Int64Array,
    count: int,
    event: UInt64Array,
    status: Int8Array,
    first_score: Int32Array,
    first_verdict: Int32Array,
) -> int:
    """Enter the fresh payments and look up the repeats, in order. Returns the number of entries ever made.

    `events`, `scores`, `verdicts`, `before`, `heads`: the entries and their chains, as in `_index`; `count`: entries
    ever made. `event`, `status`: of the payments, shape (n,); `first_score`, `first_verdict`: written for repeats.
    """
    size, mask = len(events), np.uint64(len(heads) - 1)
    for i in range(len(event)):
        bucket = np.int64(event[i] & mask)
        if status[i] == FRESH:
            index = count % size
            events[index], scores[index], verdicts[index] = event[i], -(i + 1), 0
            before[index] = heads[bucket]
            heads[bucket] = count
            count += 1
        elif status[i] in REPEATS:
            first_score[i] = UNKNOWN
            number = heads[bucket]
            while number >= 0 and number >= count - size:
                index = number % size
                if events[index] == event[i]:
                    first_score[i], first_verdict[i] = scores[index], verdicts[index]
                    break
                number = before[index]
    return count
