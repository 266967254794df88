"""Messages in Avro: on a topic in Confluent's wire format, with schemas in a registry; in files with their schema."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import fastavro

from fraudstream.formats.message import MESSAGE_BYTES_MAX, MessageError, Transaction
from fraudstream.formats.record_values import RecordColumns
from fraudstream.formats.wire_format import SchemaSource, UnknownSchemaError, unframed

SCHEMAS_MAX: Final = 1_000  # parsed and kept


class AvroFormat:
    """Reads records of Avro. `columns`, `each`: see `record_values`. `schemas`: of the messages of a topic; files need
    none. Raises `ValueError` for a column that is no path."""

    def __init__(self, columns: Sequence[str], each: str | None = None, schemas: SchemaSource | None = None) -> None:
        self._columns = RecordColumns(columns, each)
        self._schemas = schemas
        self._parsed: dict[int, Any] = {}

    def transactions(self, message: bytes, published_at_ms: int | None) -> list[Transaction]:
        """As `MessageFormat.transactions`. Raises what `SchemaSource.schema` raises, if the message is not at fault."""
        if len(message) > MESSAGE_BYTES_MAX:
            raise MessageError(
                "too_large", f"has {len(message):,} bytes, more than the {MESSAGE_BYTES_MAX:,} that are read.", "$"
            )
        schema_id, payload = unframed(message)
        schema = self._schema(schema_id)
        stream = io.BytesIO(payload)
        try:
            record = fastavro.schemaless_reader(stream, schema, None)
        except Exception as error:  # the library raises errors of many kinds for bytes that do not fit the schema
            raise MessageError(
                "format", f"does not fit its schema {schema_id}: {str(error) or type(error).__name__}.", "$"
            ) from error
        if left := len(payload) - stream.tell():
            raise MessageError("format", f"has {left} bytes more than its schema {schema_id} describes.", "$")
        return self._of_record(record)

    def container(self, stream: BinaryIO) -> Iterator[list[Transaction]]:
        """The transactions of each record of an Avro file. Raises `MessageError`."""
        try:
            for record in fastavro.reader(stream):
                yield self._of_record(record)
        except MessageError:
            raise
        except Exception as error:  # as above
            raise MessageError(
                "format", f"is no whole Avro file: {str(error) or type(error).__name__}.", "$"
            ) from error

    def _of_record(self, record: Any) -> list[Transaction]:
        if not isinstance(record, dict):
            raise MessageError("format", "is no record: its schema describes a single value.", "$")
        return self._columns.transactions(record)

    def _schema(self, schema_id: int) -> Any:
        """The parsed schema. Raises `MessageError` if the registry has none of this id that can be used."""
        if schema_id in self._parsed:
            return self._parsed[schema_id]
        assert self._schemas is not None, "a topic of Avro is read with a registry"
        try:
            registered = self._schemas.schema(schema_id)
        except UnknownSchemaError as error:
            raise MessageError("format", error.sentence, "$") from error
        if registered.kind != "AVRO":
            raise MessageError(
                "format", f"has the schema {schema_id}, which is not of Avro but {registered.kind}.", "$"
            )
        named: dict[str, Any] = {}
        try:
            for reference in registered.references:
                fastavro.parse_schema(json.loads(reference.text), named)
            parsed = fastavro.parse_schema(json.loads(registered.text), named)
        except Exception as error:  # as above
            raise MessageError("format", f"has the schema {schema_id}, which can't be used: {error}.", "$") from error
        name = parsed.get("name", "") if isinstance(parsed, dict) else ""
        try:
            self._schemas.check_subject(schema_id, name)
        except UnknownSchemaError as error:
            raise MessageError("format", error.sentence, "$") from error
        if len(self._parsed) >= SCHEMAS_MAX:
            self._parsed.clear()
        self._parsed[schema_id] = parsed
        return parsed
