"""Reads and writes of memory that numba has no function for: words at any offset, and 32 bytes at once.

The caller makes sure that `PADDING` bytes follow what it reads or writes, as these functions touch bytes after it. With
`NUMBA_BOUNDSCHECK=1` they check that; with `NUMBA_DISABLE_JIT=1` they are plain Python. LLVM's vector types serve every
processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fraudstream.compiled.jit import jit

PADDING: Final = 64  # bytes that must follow the last byte of a buffer which is read or written with these functions

_BLOCK: Final = 32  # bytes that `first_special` and `copy_block` touch
_QUOTE, _BACKSLASH, _CONTROL_END, _DELETE = 0x22, 0x5C, 0x20, 0x7F
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_config: Any = numba.config


def typed_intrinsic(generator: Callable[..., Any]) -> Any:
    """Numba's decorator. It passes the typing context; who calls the result in compiled code does not."""
    return intrinsic(generator)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index], source_etype=_BYTE)


@typed_intrinsic
def _load(_: Any, array: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load(builder.bitcast(pointer, _WORD.as_pointer()), typ=_WORD, align=1)

    return types.uint64(array, types.int64), generate


@typed_intrinsic
def _store(_: Any, array: Any, at: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], builder.bitcast(pointer, _WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64), generate


@typed_intrinsic
def _copy(_: Any, target: Any, to: Any, source: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(_BYTE, _BLOCK)
        written = _pointer(context, builder, signature.args[0], *arguments[:2])
        read = _pointer(context, builder, signature.args[2], *arguments[2:])
        block = builder.load(builder.bitcast(read, vector.as_pointer()), typ=vector, align=1)
        builder.store(block, builder.bitcast(written, vector.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate


@typed_intrinsic
def _special(_: Any, array: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, mask = ir.VectorType(_BYTE, _BLOCK), ir.IntType(_BLOCK)
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        block = builder.load(builder.bitcast(pointer, vector.as_pointer()), typ=vector, align=1)

        def all_of(byte: int) -> Any:
            return ir.Constant(vector, [byte] * _BLOCK)

        found = builder.icmp_unsigned("==", block, all_of(_QUOTE))
        for byte in (_BACKSLASH, _DELETE):
            found = builder.or_(found, builder.icmp_unsigned("==", block, all_of(byte)))
        found = builder.or_(found, builder.icmp_signed("<", block, all_of(_CONTROL_END)))  # signed: also above 0x7f
        bits = builder.bitcast(found, mask)
        count = builder.cttz(bits, ir.Constant(ir.IntType(1), 0))  # 32 if none
        return builder.zext(count, _WORD)

    return types.int64(array, types.int64), generate


_CHECKED: Final = bool(_config.BOUNDSCHECK)  # compiled into the functions below


def _load_word(data: Any, at: int) -> Any:
    if _CHECKED and (at < 0 or at + 8 > len(data)):
        raise IndexError("a word is read outside its buffer")
    return _load(data, at)


def _store_word(data: Any, at: int, word: Any) -> None:
    if _CHECKED and (at < 0 or at + 8 > len(data)):
        raise IndexError("a word is written outside its buffer")
    _store(data, at, word)


def _copy_block(target: Any, to: int, source: Any, at: int) -> None:
    if _CHECKED and (to < 0 or to + 32 > len(target) or at < 0 or at + 32 > len(source)):
        raise IndexError("a block is copied outside its buffer")
    _copy(target, to, source, at)


def _first_special(data: Any, at: int) -> Any:
    if _CHECKED and (at < 0 or at + 32 > len(data)):
        raise IndexError("a block is read outside its buffer")
    return _special(data, at)


def _plain_load_word(data: Any, at: int) -> Any:
    return np.uint64(int.from_bytes(bytes(_inside(data, at, 8)), "little"))


def _plain_store_word(data: Any, at: int, word: Any) -> None:
    _inside(data, at, 8)[:] = np.frombuffer(int(word).to_bytes(8, "little"), np.uint8)


def _plain_copy_block(target: Any, to: int, source: Any, at: int) -> None:
    _inside(target, to, _BLOCK)[:] = _inside(source, at, _BLOCK).copy()


def _plain_first_special(data: Any, at: int) -> int:
    for k, byte in enumerate(bytes(_inside(data, at, _BLOCK))):
        if byte in (_QUOTE, _BACKSLASH) or byte < _CONTROL_END or byte >= _DELETE:
            return k
    return _BLOCK


def _inside(data: Any, at: int, length: int) -> Any:
    if at < 0 or at + length > len(data):
        raise IndexError("memory outside a buffer is touched")
    return data[at : at + length]


def chosen(compiled: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """The compiled function, or with `NUMBA_DISABLE_JIT` its twin in plain Python."""
    return plain if _config.DISABLE_JIT else jit(compiled)


# load_word(data: uint8 (n,), at) -> uint64: the 8 bytes from offset `at` on, little-endian.
load_word = chosen(_load_word, _plain_load_word)
# store_word(data, at, word): write 8 bytes, little-endian.
store_word = chosen(_store_word, _plain_store_word)
# copy_block(target, to, source, at): copy 32 bytes; the two may not overlap.
copy_block = chosen(_copy_block, _plain_copy_block)
# first_special(data, at) -> int64: of the 32 bytes from `at` on, the index of the first that ends a plain JSON string
# or makes it no plain one: a quote, a backslash, a byte below 0x20 or above 0x7e; 32 if there is none.
first_special = chosen(_first_special, _plain_first_special)
