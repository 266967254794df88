"""Messages in Protobuf, in Confluent's wire format, with schemas in a registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from fraudstream.formats.message import MESSAGE_BYTES_MAX, MessageError, Transaction
from fraudstream.formats.protobuf_values import record_of
from fraudstream.formats.protobuf_wire import message_indexes
from fraudstream.formats.record_values import RecordColumns
from fraudstream.formats.wire_format import RegisteredSchema, SchemaSource, UnknownSchemaError, unframed

SCHEMAS_MAX: Final = 1_000  # compiled and kept

# The schema as a FileDescriptorSet in bytes, its own file last. Raises `ValueError`, with a sentence.
CompilesProtobuf = Callable[[RegisteredSchema], bytes]


class ProtobufFormat:
    """Reads messages of Protobuf. `columns`, `each`: see `record_values`. Raises `ValueError` for a column that is no
    path."""

    def __init__(
        self, columns: Sequence[str], each: str | None, schemas: SchemaSource, compiler: CompilesProtobuf
    ) -> None:
        self._columns = RecordColumns(columns, each)
        self._schemas, self._compiler = schemas, compiler
        self._files: dict[int, Any] = {}  # by the schema's id; a `MessageError` where it cannot be used
        self._classes: dict[tuple[int, tuple[int, ...]], Any] = {}

    def transactions(self, message: bytes, published_at_ms: int | None) -> list[Transaction]:
        """As `MessageFormat.transactions`. Raises what `SchemaSource` raises, if the message is not at fault."""
        if len(message) > MESSAGE_BYTES_MAX:
            raise MessageError(
                "too_large", f"has {len(message):,} bytes, more than the {MESSAGE_BYTES_MAX:,} that are read.", "$"
            )
        schema_id, payload = unframed(message)
        indexes, begin = message_indexes(payload)
        found = self._class(schema_id, indexes)()
        try:
            found.ParseFromString(payload[begin:])
        except DecodeError as error:
            raise MessageError("format", f"does not fit its schema {schema_id}: {error}.", "$") from error
        if not found.IsInitialized():
            missing = found.FindInitializationErrors()[0]
            raise MessageError("format", f"lacks what its schema {schema_id} requires.", f"$.{missing}")
        return self._columns.transactions(record_of(found, self._columns.wanted))

    def _class(self, schema_id: int, indexes: tuple[int, ...]) -> Any:
        """The class of the messages. Raises `MessageError` if there is none."""
        if (known := self._classes.get((schema_id, indexes))) is not None:
            return known
        descriptor = _message(self._file(schema_id), schema_id, indexes)
        try:
            self._schemas.check_subject(schema_id, descriptor.full_name)
        except UnknownSchemaError as error:
            raise MessageError("format", error.sentence, "$") from error
        found = message_factory.GetMessageClass(descriptor)
        if len(self._classes) >= SCHEMAS_MAX:
            self._classes.clear()
        self._classes[schema_id, indexes] = found
        return found

    def _file(self, schema_id: int) -> Any:
        """The schema's own file. Raises `MessageError` if the registry has none of this id that can be used."""
        if schema_id not in self._files:
            try:
                registered = self._schemas.schema(schema_id)
            except UnknownSchemaError as error:  # it may be registered yet
                raise MessageError("format", error.sentence, "$") from error
            if len(self._files) >= SCHEMAS_MAX:
                self._files.clear()
            try:
                self._files[schema_id] = self._compiled(registered)
            except (ValueError, TypeError) as error:  # of the compiler, and of the pool of descriptors
                self._files[schema_id] = MessageError(
                    "format", f"has the schema {schema_id}, which can't be used: {error}", "$"
                )
        found = self._files[schema_id]
        if isinstance(found, MessageError):
            raise found
        return found

    def _compiled(self, registered: RegisteredSchema) -> Any:
        if registered.kind != "PROTOBUF":
            raise ValueError(f"it is not of Protobuf but {registered.kind}.")
        files = descriptor_pb2.FileDescriptorSet.FromString(self._compiler(registered)).file
        pool = descriptor_pool.DescriptorPool()
        for file in files:
            pool.Add(file)
        return pool.FindFileByName(files[-1].name)


def _message(file: Any, schema_id: int, indexes: tuple[int, ...]) -> Any:
    """The message that the indexes name. Raises `MessageError`.

    As in Confluent's Java serializer, the entries of maps are no messages.
    """
    messages, found = list(file.message_types_by_name.values()), None
    for index in indexes:
        if index >= len(messages):
            raise MessageError(
                "format", f"names a message {list(indexes)}, which its schema {schema_id} does not have.", "$"
            )
        found = messages[index]
        messages = [nested for nested in found.nested_types if not nested.GetOptions().map_entry]
    return found
