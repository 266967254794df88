"""The formats by name: which one reads the messages of a mapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from fraudstream.formats.card_numbers import CardIdentifier
from fraudstream.formats.iso20022 import Iso20022Format
from fraudstream.formats.json_records import JsonFormat
from fraudstream.formats.message import MessageFormat
from fraudstream.formats.message_layout import MessageLayout
from fraudstream.formats.wire_format import RegisteredSchema, SchemaSource


class FormatServices(NamedTuple):
    """What formats need from outside. `card_identifier`: makes the identifier of a card; None: no mapping may read
    card numbers. `schemas`: a schema registry, for the messages of a topic. `protobuf_compiler`: of the schemas of
    Protobuf in it, see `protobuf.CompilesProtobuf`."""

    card_identifier: CardIdentifier | None = None
    schemas: SchemaSource | None = None
    protobuf_compiler: Callable[[RegisteredSchema], bytes] | None = None


NO_SERVICES: Final = FormatServices()


def message_format(
    layout: MessageLayout, columns: Sequence[str], services: FormatServices = NO_SERVICES
) -> MessageFormat:
    """What reads the messages of `layout` as rows of `columns`.

    Raises `ValueError`, with a sentence, for a column that is no path of the format, for a dialect that cannot be read,
    for what needs a service that is not there, and for a package that is not installed.
    """
    try:
        if layout.format == "iso8583":
            from fraudstream.formats.iso8583 import Iso8583Format

            return Iso8583Format(layout, columns, services.card_identifier)
        if layout.format == "avro":
            from fraudstream.formats.avro import AvroFormat

            return AvroFormat(columns, layout.each, services.schemas)
        if layout.format == "protobuf":
            if services.schemas is None or services.protobuf_compiler is None:
                raise ValueError(
                    "messages of Protobuf need their schemas: set registry.url. Files of them are not read."
                )
            from fraudstream.formats.protobuf import ProtobufFormat

            return ProtobufFormat(columns, layout.each, services.schemas, services.protobuf_compiler)
        if layout.format == "json":
            return JsonFormat(columns, layout.each)
        return Iso20022Format(layout.format, columns, layout.each)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{layout.format} needs the package {error.name}. Install it: pip install 'fraudstream[formats]'."
        ) from error
