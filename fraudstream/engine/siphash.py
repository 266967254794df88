"""SipHash-2-4: a keyed hash of short texts. Without the key nobody can predict a hash, or choose two texts with
the same one.

Source: Aumasson, Bernstein, SipHash: a fast short-input PRF, INDOCRYPT 2012. The tests hold the published vectors.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.compiled.memory import load_word
from fraudstream.engine.arrays import UInt8Array

_INITIAL = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_MASK = (1 << 64) - 1
_WORD = 8  # bytes


def hash_bytes(data: bytes, low: int, high: int) -> int:
    """The hash of `data` under the key of 16 bytes whose halves, little-endian, are `low` and `high`.

    >>> hex(hash_bytes(bytes(range(15)), 0x0706050403020100, 0x0F0E0D0C0B0A0908))  # the example of the paper
    '0xa129ca6149be45e5'
    """
    a, b, c, d = low ^ _INITIAL[0], high ^ _INITIAL[1], low ^ _INITIAL[2], high ^ _INITIAL[3]
    last = data[len(data) // _WORD * _WORD :].ljust(_WORD - 1, b"\0") + bytes([len(data) & 0xFF])
    words = [data[at : at + _WORD] for at in range(0, len(data) // _WORD * _WORD, _WORD)]
    for word in (*words, last):
        message = int.from_bytes(word, "little")
        a, b, c, d = _plain_round(*_plain_round(a, b, c, d ^ message))
        a ^= message
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = _plain_round(a, b, c, d)
    return a ^ b ^ c ^ d


def padded(data: bytes) -> UInt8Array:
    """`data` followed by 8 to 16 NUL bytes, so that it can be read in words: uint8, of a length divisible by 8."""
    return np.frombuffer(data.ljust((len(data) // _WORD + 2) * _WORD, b"\0"), np.uint8)


@jit
def hash_between(data: UInt8Array, start: int, end: int, low: np.uint64, high: np.uint64) -> np.uint64:
    """As `hash_bytes`, of the bytes from offset `start` up to `end`. At least 8 bytes of `data` follow `end`."""
    a, b = low ^ np.uint64(0x736F6D6570736575), high ^ np.uint64(0x646F72616E646F6D)
    c, d = low ^ np.uint64(0x6C7967656E657261), high ^ np.uint64(0x7465646279746573)
    at = start
    while end - at >= 8:
        message = load_word(data, at)
        a, b, c, d = _round(a, b, c, d ^ message)
        a, b, c, d = _round(a, b, c, d)
        a = a ^ message
        at += 8
    message = load_word(data, at) & ((np.uint64(1) << np.uint64(8 * (end - at))) - np.uint64(1))
    message = message | (np.uint64(end - start) << np.uint64(56))
    a, b, c, d = _round(a, b, c, d ^ message)
    a, b, c, d = _round(a, b, c, d)
    a, c = a ^ message, c ^ np.uint64(0xFF)
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


@jit
def _round(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """SipRound of the paper, on its v0 to v3."""
    a, c = a + b, c + d
    b, d = _rotated(b, 13) ^ a, _rotated(d, 16) ^ c
    a = _rotated(a, 32)
    c, a = c + b, a + d
    b, d = _rotated(b, 17) ^ c, _rotated(d, 21) ^ a
    c = _rotated(c, 32)
    return a, b, c, d


@jit
def _rotated(value: np.uint64, bits: int) -> np.uint64:
    """`value` rotated to the left."""
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


def _plain_round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    """As `_round`, on Python's integers."""
    a, c = (a + b) & _MASK, (c + d) & _MASK
    b, d = _plain_rotated(b, 13) ^ a, _plain_rotated(d, 16) ^ c
    a = _plain_rotated(a, 32)
    c, a = (c + b) & _MASK, (a + d) & _MASK
    b, d = _plain_rotated(b, 17) ^ c, _plain_rotated(d, 21) ^ a
    c = _plain_rotated(c, 32)
    return a, b, c, d


def _plain_rotated(value: int, bits: int) -> int:
    """As `_rotated`, on Python's integers."""
    return (value << bits | value >> (64 - bits)) & _MASK
