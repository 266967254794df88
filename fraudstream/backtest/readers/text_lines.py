"""Reads text files as batches of lines with their numbers, for JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.readers.byte_stream import (
    UndecodableByteError,
    encoding_of,
    first_bytes,
    open_bytes,
    utf8_pieces,
)

BLOCK_BYTES = 4 << 20
LINE_BYTES_MAX = 64 << 20


class LineBatch(NamedTuple):
    """Lines in UTF-8 that are not blank, without blanks around them. `numbers`: of the lines in the file, from 1."""

    lines: list[bytes]
    numbers: list[int]


def line_batches(path: Path, encoding: str | None = None) -> Iterator[LineBatch]:
    """All lines of a file, plain or compressed. `encoding`: by default UTF-8, or as the byte order mark says.

    Raises `PaymentFileError` after the lines before the fault.
    """
    number = 1
    rest: list[bytes] = []  # pieces of a line without its end
    rest_bytes = 0
    failure: PaymentFileError | None = None
    pieces = _pieces(path, encoding)
    while failure is None:
        try:
            piece = next(pieces, None)
        except PaymentFileError as error:
            piece, failure = None, error
        end = piece.rfind(b"\n") + 1 if piece is not None else 0
        if piece is not None and not end:
            rest.append(piece)
            rest_bytes += len(piece)
            if rest_bytes > LINE_BYTES_MAX:
                raise PaymentFileError(str(path), f"is longer than {LINE_BYTES_MAX >> 20} MiB.", number, unit="line")
            continue
        text = b"".join([*rest, piece[:end] if piece is not None else b""])
        if failure is None:
            yield from _batch(text, number)
        number += text.count(b"\n")
        if piece is None:
            break
        rest, rest_bytes = [piece[end:]], len(piece) - end
    if failure is not None:
        raise PaymentFileError(failure.path, failure.sentence, number, unit="line") from failure


def _pieces(path: Path, encoding: str | None) -> Iterator[bytes]:
    try:
        found = encoding_of(first_bytes(path), encoding)
        with open_bytes(path) as stream:
            yield from utf8_pieces(stream, found, BLOCK_BYTES)
    except UndecodableByteError as error:
        raise PaymentFileError(str(path), str(error)) from error
    except (OSError, ValueError) as error:
        raise PaymentFileError(str(path), f"can't be read: {error}") from error


def _batch(text: bytes, first: int) -> Iterator[LineBatch]:
    numbered = [(line.strip(), number) for number, line in enumerate(text.split(b"\n"), first)]
    kept = [(line, number) for line, number in numbered if line]
    if kept:
        lines, numbers = zip(*kept, strict=True)
        yield LineBatch(list(lines), list(numbers))
