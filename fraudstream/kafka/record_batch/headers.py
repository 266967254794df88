"""The header sections of records that answer others, by compiled code: `source`, then what else they carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.jit import entry_point
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import Int64Array, Packed, join, pack
from fraudstream.compiled.writing import check_span, decimal_size, put_bytes, put_decimal
from fraudstream.kafka.record_batch.outgoing import header_section, varint
from fraudstream.kafka.record_batch.varint import VARINT_BYTES_MAX, put_varint

FixedHeaders = tuple[tuple[str, bytes], ...]  # names and values

HEADERS_MAX: Final = 64  # their count is one byte of a section
_PIECES_KEPT: Final = 4096  # for each partition, whether it is backfilled or not
_DIGITS_MAX: Final = 20  # of an int64, with its sign
_Bytes: TypeAlias = npt.NDArray[np.uint8]


class HeaderPieces(NamedTuple):
    """What the sections are made of. `name`: of the numbered header, with its length. `prefix`: what its value begins
    with. `values_name`: as `name`, of the header with a value for each record; empty if there is none.

    `further`: the constant headers that a record may have, one string for each choice. `counts`: how many headers a
    record of that choice has in all; int64, shape (choices,). `row_bytes_max`: of a section beside its value.
    """

    name: _Bytes
    prefix: _Bytes
    values_name: _Bytes
    further: Packed
    counts: Int64Array
    row_bytes_max: int


@lru_cache(_PIECES_KEPT)
def header_pieces(
    name: str, prefix: bytes, values_name: str | None = None, further: tuple[FixedHeaders, ...] = ((),)
) -> HeaderPieces:
    """Prepare sections with the header `name` of the value `prefix` and a number; with one named `values_name`, if that
    is given; and with one of the choices `further`, at most 60 headers each."""
    own = 1 + (values_name is not None)
    constant = [header_section(headers)[1:] for headers in further]  # without the count, which is one byte
    named = _named(name), prefix, _named(values_name)
    return HeaderPieces(
        _padded(named[0]),
        _padded(prefix),
        _padded(named[2]),
        pack(constant),
        np.array([own + len(headers) for headers in further], np.int64),
        sum(map(len, named)) + max(map(len, constant)) + 3 * VARINT_BYTES_MAX + _DIGITS_MAX,
    )


def numbered_headers(
    pieces: HeaderPieces, numbers: Int64Array, values: Packed | None = None, choice: Int64Array | None = None
) -> Packed:
    """The sections of `n` records. `numbers`: after the prefix, above -2**63; int64, shape (n,). `values`: of the
    header `values_name`, n of them. `choice`: which of `further` a record has, the first if None; int64, shape (n,).

    >>> pieces = header_pieces("source", b"3:", further=((), (("type", b"label"),)))
    >>> numbered_headers(pieces, np.array([17, 18]), choice=np.array([0, 1])).strings()
    [b'\\x02\\x0csource\\x083:17', b'\\x04\\x0csource\\x083:18\\x08type\\nlabel']
    """
    n = len(numbers)
    size = n * pieces.row_bytes_max + (0 if values is None else int(values.length.sum()))
    buffer = np.empty(size + PADDING, np.uint8)
    at, length = np.empty(n, np.int64), np.empty(n, np.int64)
    choice = np.zeros(n, np.int64) if choice is None else choice
    _write(buffer, at, length, pieces, numbers, _NO_VALUES if values is None else values.read_only(), choice)
    return Packed(buffer, at, length)


def with_headers(sections: Packed, added: Mapping[int, Sequence[tuple[str, bytes]]]) -> Packed:
    """The sections with further headers at the end of some. `added`: by the index of the section; with its own, it has
    63 headers at most.

    >>> with_headers(pack([header_section([("a", b"1")]), header_section([])]), {1: [("b", b"2")]}).strings()
    [b'\\x02\\x02a\\x021', b'\\x02\\x02b\\x022']
    """
    rows = np.fromiter(added, np.int64, len(added))
    longer = []
    for section, headers in zip(sections.rows(rows).present(), added.values(), strict=True):
        count = section[0] // 2 + len(headers)  # a varint of one byte
        assert count < HEADERS_MAX, f"{count} headers in a section"
        longer.append(varint(count) + section[1:] + header_section(headers)[1:])
    chosen = np.arange(len(sections.at))
    chosen[rows] = len(sections.at) + np.arange(len(rows))
    return join([sections, pack(longer)]).rows(chosen)


@entry_point
def _write_headers(
    out: _Bytes,
    begins: Int64Array,
    lengths: Int64Array,
    pieces: HeaderPieces,
    numbers: Int64Array,
    values: Packed,
    choice: Int64Array,
) -> None:
    n = len(numbers)
    name, prefix = len(pieces.name) - PADDING, len(pieces.prefix) - PADDING
    values_name = len(pieces.values_name) - PADDING
    for size in (len(begins), len(lengths), len(choice)):
        if size != n:
            raise ValueError("the sections and their parts differ in number")
    if values_name > 0 and (len(values.at) != n or len(values.length) != n):
        raise ValueError("the sections and the values of a header differ in number")
    at = 0
    for i in range(n):
        begins[i] = at
        kind = choice[i]
        if not 0 <= kind < len(pieces.counts):
            raise ValueError("there is no such choice of headers")
        at = put_varint(out, at, pieces.counts[kind])
        at = put_bytes(out, at, pieces.name, 0, name)
        at = put_varint(out, at, prefix + decimal_size(numbers[i]))
        at = put_bytes(out, at, pieces.prefix, 0, prefix)
        at = put_decimal(out, at, numbers[i])
        if values_name > 0:
            at = put_bytes(out, at, pieces.values_name, 0, values_name)
            check_span(values.buffer, values.at[i], values.length[i])
            at = put_varint(out, at, values.length[i])
            at = put_bytes(out, at, values.buffer, values.at[i], values.length[i])
        at = put_bytes(out, at, pieces.further.buffer, pieces.further.at[kind], pieces.further.length[kind])
        lengths[i] = at - begins[i]


def _named(name: str | None) -> bytes:
    """The name of a header with its length."""
    return b"" if name is None else varint(len(name.encode())) + name.encode()


def _padded(content: bytes) -> _Bytes:
    return np.frombuffer(bytearray(content + bytes(PADDING)), np.uint8)


_NO_VALUES: Final = pack([])
_write = Direct(_write_headers)
