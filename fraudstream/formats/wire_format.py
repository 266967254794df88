"""Confluent's wire format: byte 0, the schema's id in four bytes, then the message."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from fraudstream.formats.message import MessageError

MAGIC: Final = b"\0"
_HEAD_BYTES: Final = 5


class SchemaReference(NamedTuple):
    """A schema that another one refers to. `name`: as the other one names it: a file that it imports, a type."""

    name: str
    text: str


class RegisteredSchema(NamedTuple):
    """A schema of a registry. `kind`: AVRO, JSON or PROTOBUF. `references`: the schemas that it refers to, those first
    that others refer to."""

    kind: str
    text: str
    references: tuple[SchemaReference, ...] = ()


class UnknownSchemaError(Exception):
    """The registry has no such schema, or not for this topic. `sentence`: why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class SchemaSource(Protocol):
    """Where schemas come from; `bridge.schema_registry.SchemaRegistry` fits."""

    def schema(self, schema_id: int) -> RegisteredSchema:
        """The schema of an id. Raises `UnknownSchemaError`; any other error is not the message's fault."""

    def check_subject(self, schema_id: int, record_name: str) -> None:
        """Raises `UnknownSchemaError` if the schema is not registered where messages of the topic have theirs.
        `record_name`: full name of the record that the message is; '' if it has none."""


def unframed(message: bytes) -> tuple[int, bytes]:
    """The schema's id and what follows it. Raises `MessageError`.

    >>> unframed(b"\\0\\0\\0\\0\\x07{}")
    (7, b'{}')
    """
    if not message.startswith(MAGIC) or len(message) < _HEAD_BYTES:
        raise MessageError(
            "format", "is not in Confluent's wire format: byte 0, then the schema's id in four bytes.", "$"
        )
    return int.from_bytes(message[1:_HEAD_BYTES], "big"), message[_HEAD_BYTES:]
