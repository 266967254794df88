"""The bytes of a file, decompressed, and its text as UTF-8 whatever its encoding.

Compression and byte order marks are recognised by content, so a name does not decide.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

HEAD_BYTES = 1 << 16

_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\x04\x22\x4d\x18": "lz4"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: it begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class UndecodableByteError(ValueError):
    """A byte that is not text of `encoding`. `byte`: its value; `offset`: its position in the text from 0."""

    def __init__(self, byte: int, offset: int, encoding: str) -> None:
        hint = (
            f"Set the file's encoding; cp1252 reads this byte as {bytes([byte]).decode('cp1252', 'replace')!r}"
            if encoding == "utf-8"
            else "Set the encoding in which the file was written"
        )
        super().__init__(
            f"byte {offset + 1:,} of the text is 0x{byte:02X}, which is not {encoding}. {hint} (`encoding` in the "
            "mapping's section `file`, or --encoding)."
        )
        self.byte, self.offset, self.encoding = byte, offset, encoding


class Encoding(NamedTuple):
    """How bytes become text. `mark_bytes`: length of the byte order mark, which is skipped."""

    name: str
    mark_bytes: int


def open_bytes(path: Path) -> Any:
    """A stream of the decompressed bytes (`read(n)`, context manager). Raises `OSError`."""
    with path.open("rb") as file:
        head = file.read(4)
    compression = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)
    return pa.input_stream(str(path), compression=compression)


def first_bytes(path: Path) -> bytes:
    """At most `HEAD_BYTES` decompressed bytes from the beginning. Raises `OSError`."""
    with open_bytes(path) as stream:
        return bytes(stream.read(HEAD_BYTES))


def encoding_of(head: bytes, declared: str | None) -> Encoding:
    """The encoding of a file that begins with `head`. Raises `ValueError` if its byte order mark contradicts
    `declared`."""
    mark, marked = next(((mark, name) for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), (b"", None))
    name = "utf-8" if declared is None else codecs.lookup(declared).name
    name = {"utf-8-sig": "utf-8"}.get(name, name)
    if marked is None:
        return Encoding({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name), 0)
    if declared is not None and not marked.startswith(name.replace("_", "-")):
        raise ValueError(f"begins with the byte order mark of {marked}, but encoding is {declared}.")
    return Encoding(marked, len(mark))


def utf8_pieces(stream: Any, encoding: Encoding, piece_bytes: int) -> Iterator[bytes]:
    """The text of a stream in UTF-8, in pieces of about `piece_bytes` that may end anywhere between characters.

    Raises `UndecodableByteError` once all text before it has been given, and `OSError`.
    """
    decoder = codecs.getincrementaldecoder(encoding.name)()
    stream.read(encoding.mark_bytes)
    offset = encoding.mark_bytes
    while True:
        raw = bytes(stream.read(piece_bytes))
        try:
            text = decoder.decode(raw, not raw)
        except UnicodeDecodeError as error:
            begin = offset - (len(error.object) - len(raw))  # bytes of a character cut in two came before
            yield error.object[: error.start].decode(encoding.name, "replace").encode()
            raise UndecodableByteError(error.object[error.start], begin + error.start, encoding.name) from error
        offset += len(raw)
        if text:
            yield text.encode()
        if not raw:
            return
