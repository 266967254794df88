"""A fixed set of texts, found in a buffer by a few comparisons of 8 bytes: names of fields, and words of the contract.

A text stands in JSON between quotes, and both are part of the comparison, so a text that begins like another is not
taken for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fraudstream.compiled.jit import inlined_entry_point, jit
from fraudstream.compiled.memory import load_word
from fraudstream.engine.arrays import Int64Array, UInt8Array, UInt64Array
from fraudstream.engine.scan.tokens import unsigned

ABSENT = -1

SIZE, WORDS, GROUP, ENTRY_COLUMNS = range(4)  # of `Words.entry`: bytes with the quotes, words these take, the group

_MULTIPLIER = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: Knuth, TAOCP 3, 6.4
_QUOTE_AND_TEXT = 8  # bytes that are hashed


class Words(NamedTuple):
    """`n` texts, each in a group, and one more entry, the last, which equals no text.

    `word`, `mask`: the text with its quotes in words of 8 bytes, and which bytes of them count; uint64, shape
    (n + 1, words). `entry`: columns SIZE, WORDS, GROUP; int64, shape (n + 1, ENTRY_COLUMNS). `slot`: indices of texts
    by hash, `ABSENT` where free; int64, shape (a power of two,).
    """

    word: UInt64Array
    mask: UInt64Array
    entry: Int64Array
    slot: Int64Array


def words_of(texts: Sequence[tuple[int, str]]) -> Words:
    """The set of these (group, text), none twice; indices in this order."""
    quoted = [f'"{text}"'.encode() for _, text in texts]
    n, widest = len(texts), max(map(len, quoted), default=1)
    width = -(-widest // 8) * 8
    text = np.zeros((n + 1, width), np.uint8)
    mask = np.zeros((n + 1, width), np.uint8)
    for k, data in enumerate(quoted):
        text[k, : len(data)] = np.frombuffer(data, np.uint8)
        mask[k, : len(data)] = 0xFF
    text[n, 0] = 1  # under an empty mask nothing equals this
    entry = np.array(
        [
            *((len(data), -(-len(data) // 8), group) for data, (group, _) in zip(quoted, texts, strict=True)),
            (0, 1, ABSENT),
        ],
        np.int64,
    )
    slot = np.full(1 << (4 * n + 4).bit_length(), ABSENT, np.int64)
    words = Words(text.view(np.uint64), mask.view(np.uint64), entry, slot)
    for k in range(n):
        at = int(_bucket(words.word[k, 0], int(entry[k, SIZE]), int(entry[k, GROUP]), len(slot)))
        while slot[at] != ABSENT:
            at = (at + 1) % len(slot)
        slot[at] = k
    return words


@jit
def stands_at(words: Words, k: int, buffer: UInt8Array, at: int) -> bool:
    """Whether the text `k`, with its quotes, stands in the buffer at `at`."""
    row, done = unsigned(k), 0
    count = words.entry[row, WORDS]
    while done < count:
        word = unsigned(done)
        if load_word(buffer, at + 8 * done) & words.mask[row, word] != words.word[row, word]:
            return False
        done += 1
    return True


@jit
def find(words: Words, group: int, buffer: UInt8Array, at: int, size: int) -> int:
    """The index of the text of a group that stands at `at`; `ABSENT` if none does. `size`: its bytes, with quotes."""
    first = load_word(buffer, at)
    if size < _QUOTE_AND_TEXT:
        first &= (np.uint64(1) << np.uint64(8 * size)) - np.uint64(1)
    places = len(words.slot)
    bucket = _bucket(first, size, group, places)
    while True:
        k: int = words.slot[bucket]
        if k == ABSENT or (
            words.entry[k, SIZE] == size and words.entry[k, GROUP] == group and stands_at(words, k, buffer, at)
        ):
            return k
        bucket = (bucket + 1) & (places - 1)


@inlined_entry_point
def _bucket(first: np.uint64, size: int, group: int, places: int) -> int:
    """Where the search for a text begins. `first`: its first 8 bytes."""
    mixed = first ^ np.uint64((size << 8 | group) * 0x10001)
    product = mixed * np.uint64(_MULTIPLIER)
    return int(product >> np.uint64(40)) & (places - 1)
