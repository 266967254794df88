"""Compiled reads and writes of memory give what plain Python gives, at every offset and for every byte."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.compiled import memory
from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import UInt8Array

BLOCK = 32


@entry_point
def _load(data: UInt8Array, at: int) -> np.uint64:
    word: np.uint64 = memory.load_word(data, at)
    return word


@entry_point
def _store(data: UInt8Array, at: int, word: np.uint64) -> None:
    memory.store_word(data, at, word)


@entry_point
def _copy(target: UInt8Array, to: int, source: UInt8Array, at: int) -> None:
    memory.copy_block(target, to, source, at)


@entry_point
def _first(data: UInt8Array, at: int) -> int:
    found: int = memory.first_special(data, at)
    return found


@given(st.binary(min_size=8, max_size=40), st.data())
def test_a_word_is_read_and_written_at_any_offset(content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content) - 8))
    array = np.frombuffer(content, np.uint8).copy()
    word = int.from_bytes(content[at : at + 8], "little")
    assert int(_load(array, at)) == word == int(memory._plain_load_word(array, at))
    target = np.zeros(len(content), np.uint8)
    _store(target, at, np.uint64(word))
    assert target.tobytes() == bytes(at) + content[at : at + 8] + bytes(len(content) - at - 8)


@given(st.binary(min_size=BLOCK, max_size=80), st.data())
def test_a_block_is_copied_between_any_offsets(content: bytes, data: st.DataObject) -> None:
    at, to = data.draw(st.integers(0, len(content) - BLOCK)), data.draw(st.integers(0, 20))
    target = np.zeros(to + BLOCK + 3, np.uint8)
    _copy(target, to, np.frombuffer(content, np.uint8), at)
    assert target.tobytes() == bytes(to) + content[at : at + BLOCK] + bytes(3)


def test_the_first_special_byte_is_found_whatever_it_is_and_wherever() -> None:
    special = [*range(0x20), 0x22, 0x5C, *range(0x7F, 0x100)]
    for byte in range(256):
        for place in range(BLOCK):
            array = np.full(BLOCK + 1, ord("a"), np.uint8)
            array[1 + place] = byte
            expected = place if byte in special else BLOCK
            assert _first(array, 1) == expected == memory._plain_first_special(array, 1)
