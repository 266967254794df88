"""Compiled functions of a word's bits give what plain Python gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.compiled import bits
from fraudstream.compiled.jit import entry_point


@entry_point
def _swap(word: np.uint64) -> np.uint64:
    swapped: np.uint64 = bits.swapped(word)
    return swapped


@entry_point
def _zeros(word: np.uint64) -> int:
    zeros: int = bits.leading_zeros(word)
    return zeros


def test_the_bytes_of_a_word_are_reversed() -> None:
    assert int(_swap(np.uint64(0x0102030405060708))) == 0x0807060504030201


@given(st.integers(0, 2**64 - 1))
def test_zeros_before_the_highest_bit_are_counted(word: int) -> None:
    assert _zeros(np.uint64(word)) == 64 - word.bit_length() == bits._plain_leading_zeros(word)


def test_a_word_without_a_bit_has_64_zeros() -> None:
    assert _zeros(np.uint64(0)) == 64
