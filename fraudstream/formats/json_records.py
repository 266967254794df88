"""Messages in JSON: plain, or in Confluent's wire format, whose schema is not needed to read them."""

from __future__ import annotations

from collections.abc import Sequence

from fraudstream.formats.json_object import json_object
from fraudstream.formats.message import MESSAGE_BYTES_MAX, MessageError, Transaction
from fraudstream.formats.record_values import RecordColumns
from fraudstream.formats.wire_format import MAGIC, unframed


class JsonFormat:
    """Reads JSON objects. `columns`, `each`: see `record_values`. Raises `ValueError` for one that is no path."""

    def __init__(self, columns: Sequence[str], each: str | None = None) -> None:
        self._columns = RecordColumns(columns, each)

    def transactions(self, message: bytes, published_at_ms: int | None) -> list[Transaction]:
        """As `MessageFormat.transactions`."""
        if len(message) > MESSAGE_BYTES_MAX:
            raise MessageError(
                "too_large", f"has {len(message):,} bytes, more than the {MESSAGE_BYTES_MAX:,} that are read.", "$"
            )
        text = unframed(message)[1] if message.startswith(MAGIC) else message
        try:
            content = json_object(text)
        except ValueError as error:
            raise MessageError("format", str(error), "$") from error
        return self._columns.transactions(content)
