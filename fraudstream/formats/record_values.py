"""Values of a record of named fields (Avro, JSON, Protobuf) as the texts that the columns of a mapping name.

A column is a dotted path in the transaction: `card.id`. `$.header.created` begins at the record. The transactions are
the items of the array at `each`, or the record itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from fraudstream.formats.message import MessageError, Transaction, TransactionFault

_PATH: Final = re.compile(r"(\$\.)?[^.\[\]$]+(\.[^.\[\]$]+)*")
ROOT: Final = "$."

# The names of the fields that columns name, each with those of its own fields; none: all of them.
WantedFields: TypeAlias = dict[str, "WantedFields"]


class Unreadable(NamedTuple):
    """In place of a value that cannot be read. `sentence`: why."""

    sentence: str


class ValueRecord(dict[str, Any]):
    """A record that stands for one value, such as a time in seconds and nanoseconds. Its fields can be named, too."""

    def __init__(self, fields: dict[str, Any], value: Any) -> None:
        super().__init__(fields)
        self.value = value


class RecordColumns:
    """The columns of a mapping. Raises `ValueError` for one that is no path."""

    def __init__(self, columns: Sequence[str], each: str | None = None) -> None:
        for column in columns if each is None else [*columns, each]:
            check_path(column)
        self._columns = list(columns)
        self._each = None if each is None else each.removeprefix(ROOT)

    @property
    def wanted(self) -> WantedFields:
        """The fields of a record that are read."""
        wanted: WantedFields = {}
        items = "" if self._each is None else f"{self._each}."
        for column in self._columns:
            path = column.removeprefix(ROOT) if column.startswith(ROOT) else items + column
            fields = wanted
            for name in path.split("."):
                fields = fields.setdefault(name, {})
        return wanted

    def transactions(self, record: dict[str, Any]) -> list[Transaction]:
        """The transactions of a record. Raises `MessageError` if there is none."""
        if self._each is None:
            return [self._transaction(record, record, "$")]
        items = _value(record, self._each)
        if not isinstance(items, list) or not items:
            raise MessageError("format", "is no array with a transaction in it.", ROOT + self._each)
        found = []
        for index, item in enumerate(items):
            place = f"{ROOT}{self._each}[{index}]"
            if not isinstance(item, dict):
                raise MessageError("format", "is no record.", place)
            found.append(self._transaction(record, item, place))
        return found

    def _transaction(self, record: dict[str, Any], item: dict[str, Any], place: str) -> Transaction:
        values: list[str | None] = []
        fault: TransactionFault | None = None
        for index, column in enumerate(self._columns):
            text = None
            try:
                if column.startswith(ROOT):
                    text = value_text(_value(record, column.removeprefix(ROOT)))
                else:
                    text = value_text(_value(item, column))
            except ValueError as error:
                fault = fault or TransactionFault(index, str(error))
            values.append(text)
        return Transaction(values, partial(self._path_of, place), fault)

    def _path_of(self, place: str, column: int | None) -> str:
        if column is None:
            return place
        name = self._columns[column]
        return name if name.startswith(ROOT) else f"{place}.{name}"


def check_path(column: str) -> None:
    """Raises `ValueError`, with a sentence, if `column` is no path of a record."""
    if not _PATH.fullmatch(column):
        raise ValueError(
            f"path {column!r} is not understood. Write names between points, such as card.id or $.header.id."
        )


def value_text(value: Any) -> str | None:
    """The text of a value. Raises `ValueError`, with a sentence, for one that has none.

    >>> value_text(Decimal("12.50")), value_text(datetime(2026, 3, 4, tzinfo=UTC)), value_text(True), value_text(None)
    ('12.50', '2026-03-04T00:00:00+00:00', 'true', None)
    """
    if value is None:
        return None
    if isinstance(value, ValueRecord):
        return value_text(value.value)
    if isinstance(value, Unreadable):
        raise ValueError(value.sentence)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a surrogate pair, which is no character.") from None
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if value != value else repr(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, int | date | time | UUID):
        return str(value)
    if isinstance(value, bytes):
        raise ValueError("is bytes, which have no text: map another field.")
    kind = "a record; give the path of a value in it" if isinstance(value, dict) else "an array"
    raise ValueError(f"is {kind}.")


def _value(record: dict[str, Any], path: str) -> Any:
    """The value at a dotted path; None if it is not there."""
    if path in record:
        return record[path]
    found: Any = record
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found
