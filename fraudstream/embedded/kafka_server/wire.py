"""Primitive types and messages of the Kafka protocol, decoded to and encoded from plain Python values.

A message is declared once, each field with the versions that have it, and compiled for a version. From some version on
a message is "flexible" (KIP-482): lengths are varints, and each structure ends with tagged fields, which are skipped
when read and never written.

>>> greeting = Message(("name", STRING), ("times", INT32, 1), flexible_from=2)
>>> greeting.encode({"name": "a"}, 0), greeting.encode({"name": "a", "times": 2}, 2)
(bytearray(b'\\x00\\x01a'), bytearray(b'\\x02a\\x00\\x00\\x00\\x02\\x00'))
>>> greeting.decode(memoryview(b'\\x02a\\x00\\x00\\x00\\x02\\x00'), 2)
{'name': 'a', 'times': 2}
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, Protocol

NEVER_FLEXIBLE: Final = 1_000
NO_ID: Final = uuid.UUID(int=0)
Values = Mapping[str, Any]


class Reader:
    """Reads primitive types from `data` in turn. Raises `struct.error`, `IndexError` or `UnicodeDecodeError` for data
    that ends too early or is no text."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def fixed(self, form: struct.Struct) -> Any:
        """A value of fixed size."""
        (value,) = form.unpack_from(self._data, self._at)
        self._at += form.size
        return value

    def varint(self) -> int:
        """An unsigned varint."""
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def raw(self, size: int) -> bytes:
        """`size` bytes."""
        end = self._at + size
        if end > len(self._data):
            raise IndexError(f"{size} bytes are due, {len(self._data) - self._at} are left")
        value = bytes(self._data[self._at : end])
        self._at = end
        return value

    def rest(self) -> memoryview:
        """What has not been read."""
        return self._data[self._at :]

    def skip_tagged_fields(self) -> None:
        """Tagged fields are optional by definition."""
        for _ in range(self.varint()):
            self.varint()
            self.raw(self.varint())


def write_varint(out: bytearray, value: int) -> None:
    """Append an unsigned varint."""
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


class Codec(NamedTuple):
    """How a type is read and written in one version."""

    read: Callable[[Reader], Any]
    write: Callable[[bytearray, Any], None]


class Kind(Protocol):
    """A type of the protocol."""

    @property
    def default(self) -> Any:
        """What is written where a value is absent."""

    def codec(self, version: int, flexible: bool) -> Codec:
        """Its form in a version of the message."""


class _Fixed:
    def __init__(self, form: str, default: Any) -> None:
        self.default = default
        packed = struct.Struct(form)

        def write(out: bytearray, value: Any) -> None:
            out += packed.pack(value)

        self._codec = Codec(lambda reader: reader.fixed(packed), write)

    def codec(self, version: int, flexible: bool) -> Codec:
        return self._codec


class _Uuid:
    default = NO_ID

    def codec(self, version: int, flexible: bool) -> Codec:
        def write(out: bytearray, value: uuid.UUID) -> None:
            out += value.bytes

        return Codec(lambda reader: uuid.UUID(bytes=reader.raw(16)), write)


class _Sized:
    """Text or bytes that begin with their length; -1, in flexible versions 0, stands for None."""

    def __init__(self, length_form: str, default: Any, text: bool) -> None:
        self.default = default
        self._length, self._text = struct.Struct(length_form), text

    def codec(self, version: int, flexible: bool) -> Codec:
        length, text = self._length, self._text

        def read(reader: Reader) -> Any:
            size = reader.varint() - 1 if flexible else reader.fixed(length)
            if size < 0:
                return None
            value = reader.raw(size)
            return value.decode() if text else value

        def write(out: bytearray, value: Any) -> None:
            data = value.encode() if text and value is not None else value
            size = -1 if data is None else len(data)
            if flexible:
                write_varint(out, size + 1)
            else:
                out += length.pack(size)
            if data:
                out += data

        return Codec(read, write)


class Array:
    """Many values of a kind, or many structures; None is read and written as null."""

    def __init__(self, *of: Any) -> None:
        """`of`: a kind, or the fields of a structure."""
        self.default: Any = ()
        self._item: Kind = _Structure(of) if isinstance(of[0], tuple) else of[0]

    def codec(self, version: int, flexible: bool) -> Codec:
        """Its form in a version of the message."""
        read_item, write_item = self._item.codec(version, flexible)

        def read(reader: Reader) -> list[Any] | None:
            count = reader.varint() - 1 if flexible else reader.fixed(_COUNT)
            return None if count < 0 else [read_item(reader) for _ in range(count)]

        def write(out: bytearray, values: Sequence[Any] | None) -> None:
            count = -1 if values is None else len(values)
            if flexible:
                write_varint(out, count + 1)
            else:
                out += _COUNT.pack(count)
            for value in values or ():
                write_item(out, value)

        return Codec(read, write)


class _Structure:
    """Named fields, `(name, kind[, first version[, last version]])`, decoded to a dict."""

    default = None

    def __init__(self, fields: Sequence[Any]) -> None:
        self._fields = [
            (*field, 0, NEVER_FLEXIBLE)[:4] if len(field) == 2 else (*field, NEVER_FLEXIBLE)[:4] for field in fields
        ]

    def codec(self, version: int, flexible: bool) -> Codec:
        held = [
            (name, kind.default, *kind.codec(version, flexible))
            for name, kind, first, last in self._fields
            if first <= version <= last
        ]

        def read(reader: Reader) -> dict[str, Any]:
            values = {name: read_field(reader) for name, _, read_field, _ in held}
            if flexible:
                reader.skip_tagged_fields()
            return values

        def write(out: bytearray, values: Values) -> None:
            for name, default, _, write_field in held:
                write_field(out, values.get(name, default))
            if flexible:
                out.append(0)

        return Codec(read, write)


class Message:
    """A request or response. `fields`: as those of a structure. `flexible_from`: its first flexible version."""

    def __init__(self, *fields: Any, flexible_from: int = NEVER_FLEXIBLE) -> None:
        self._structure, self.flexible_from = _Structure(fields), flexible_from
        self._codec = cache(lambda version: self._structure.codec(version, version >= flexible_from))

    def decode(self, data: memoryview, version: int) -> dict[str, Any]:
        """The values of a message; fields that the version lacks are absent. Raises what `Reader` raises."""
        values: dict[str, Any] = self._codec(version).read(Reader(data))
        return values

    def encode(self, values: Values, version: int) -> bytearray:
        """A message with these values, the kind's default where a value is absent."""
        out = bytearray()
        self._codec(version).write(out, values)
        return out


INT8: Final = _Fixed(">b", 0)
INT16: Final = _Fixed(">h", 0)
INT32: Final = _Fixed(">i", 0)
INT64: Final = _Fixed(">q", 0)
BOOLEAN: Final = _Fixed(">?", False)
UUID: Final = _Uuid()
STRING: Final = _Sized(">h", "", text=True)
NULLABLE_STRING: Final = _Sized(">h", None, text=True)
BYTES: Final = _Sized(">i", b"", text=False)
RECORDS: Final = _Sized(">i", None, text=False)
_COUNT: Final = struct.Struct(">i")
