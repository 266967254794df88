"""A message of Protobuf as a record of named fields, whose values `record_values` gives as texts.

A field that is not set is its default, as proto3 defines it; where Protobuf can tell (`optional`, `oneof`, messages) it
is missing. Enums are names, maps are records. Messages that stand for one value are records with a text: Timestamp,
wrappers and Date of Google, Money and Decimal of Google and Confluent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from fraudstream.formats.record_values import Unreadable, ValueRecord, WantedFields

_NANOS: Final = 1_000_000_000
_UNSCALED_BYTES_MAX: Final = 64  # of Confluent's Decimal
_SCALE_MAX: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS_9999_S: Final = 253_402_300_800


def record_of(message: Any, wanted: WantedFields | None = None) -> dict[str, Any]:
    """The fields of a message by name. `wanted`: those that are read; None for all."""
    record = {
        field.name: _field(message, field, None if wanted is None else wanted.get(field.name))
        for field in message.DESCRIPTOR.fields
        if wanted is None or field.name in wanted
    }
    value_of = _VALUES.get(message.DESCRIPTOR.full_name)
    return record if value_of is None else ValueRecord(record, value_of(message))


def _field(message: Any, field: Any, wanted: WantedFields | None) -> Any:
    """The value of a field; None where it is known not to be set. `wanted`: of its own fields; None or none for all."""
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if not field.is_repeated:
        return _single(field, value, wanted)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        of_value = field.message_type.fields_by_name["value"]
        return {_key(key): _single(of_value, value[key], None) for key in value}
    return [_single(field, each, wanted) for each in value]


def _single(field: Any, value: Any, wanted: WantedFields | None) -> Any:
    if field.message_type is not None:
        return record_of(value, wanted or None)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return str(value) if named is None else named.name
    if isinstance(value, bytes) and field.type == field.TYPE_STRING:  # proto2 does not check texts when it reads them
        return Unreadable("is not valid UTF-8.")
    return value


def _key(key: Any) -> str:
    return ("true" if key else "false") if isinstance(key, bool) else str(key)


def _timestamp(message: Any) -> Any:
    if not (-62_135_596_800 <= message.seconds < _YEARS_9999_S and 0 <= message.nanos < _NANOS):
        return Unreadable(f"is no time: {message.seconds} seconds, {message.nanos} nanoseconds.")
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1_000)


def _date(message: Any) -> Any:
    try:
        return date(message.year, message.month, message.day)
    except ValueError:
        return Unreadable(f"is no day: year {message.year}, month {message.month}, day {message.day}.")


def _money(message: Any) -> Any:
    units, nanos = message.units, message.nanos
    if abs(nanos) >= _NANOS or units * nanos < 0:
        return Unreadable(f"is no amount: {units} units, {nanos} nanos.")
    total = units * _NANOS + nanos
    sign = "-" if total < 0 else ""
    whole, fraction = divmod(abs(total), _NANOS)
    text = f"{sign}{whole}.{fraction:09d}".rstrip("0")
    return text.rstrip(".")


def _decimal(message: Any) -> Any:
    """Of Confluent: the unscaled number in two's complement, and its scale."""
    if len(message.value) > _UNSCALED_BYTES_MAX or abs(message.scale) > _SCALE_MAX:
        return Unreadable(f"is no number that is read: {len(message.value)} bytes, scale {message.scale}.")
    unscaled = int.from_bytes(message.value, "big", signed=True)
    digits = tuple(map(int, str(abs(unscaled))))
    return Decimal((int(unscaled < 0), digits, -message.scale))


def _wrapped(message: Any) -> Any:
    return message.value


_VALUES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.type.Date": _date,
    "google.type.Decimal": _wrapped,
    "google.type.Money": _money,
    "confluent.type.Decimal": _decimal,
    **{
        f"google.protobuf.{kind}Value": _wrapped
        for kind in ("String", "Bool", "Int32", "Int64", "UInt32", "UInt64", "Double", "Float", "Bytes")
    },
}
