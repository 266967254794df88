"""Recognises what publishers send in place of a plain JSON payment: other formats, and envelopes around a payment.

It is called for invalid records only, to word their dead letter. Nothing is unwrapped, because a payment must be the
same bytes for every reader of the topic.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.faulty_field import Fault

SEARCHED_DEPTH_MAX: Final = 4
NAME_CHARACTERS_MAX: Final = 64  # of a field around the event: its path must fit into a dead letter
_EVENT_FIELDS_MIN: Final = 3  # of the required fields: an object with so many is meant to be the event
_SCHEMA_ID_END: Final = 1 << 30  # larger values are the first letters of a text

_COMPRESSED: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"\x82SNAPPY\x00": "snappy",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\x78\x01": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
}
_BINARY: Mapping[bytes, str] = {
    b"Obj\x01": "an Avro file",
    b"\xc3\x01": "Avro's single-object encoding",
    b"\xac\xed\x00\x05": "a serialized Java object",
    b"\x80\x04\x95": "a pickled Python object",
    b"\x80\x05\x95": "a pickled Python object",
}
_MARKS: Mapping[bytes, str] = {  # longest first: UTF-32 begins as UTF-16 does
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xef\xbb\xbf": "UTF-8",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_DEBEZIUM_OPS = frozenset("crudtm")
# Formats of change capture by the keys that they have together.
_CHANGES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"op_type", "table"}), "an Oracle GoldenGate change record"),
    (frozenset({"isDdl", "data"}), "a Canal change message"),
    (frozenset({"database", "table", "type", "data"}), "a Maxwell change message"),
)
_REQUIRED = {
    name: frozenset(field.name for field in msgspec.structs.fields(struct) if field.required)
    for name, struct in (("payment", Payment), ("label", Label))
}
_PRINTED_KEY = re.compile(rb'[^\s{"\[]{1,256}[\t :|,]+\{\s*"')
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")


def format_fault(value: bytes, what: str, error: str) -> Fault | None:
    """What the format of an invalid record is, and what to publish instead; None if it is not a known one.

    `what`: the event that was due, "payment" or "label". `error`: what the decoder said.

    >>> format_fault(bytes([0, 0, 0, 0, 17]) + b"{}", "payment", "").sentence[:65]
    "The value is in Confluent's wire format (schema id 17, then JSON)"
    """
    return _of_bytes(value, what) or _of_text(value, what, error) or _of_json(value, what)


def _of_bytes(value: bytes, what: str) -> Fault | None:
    """Formats known by their first bytes."""
    plain = f"Publish the {what} as plain JSON"
    if (registry := _schema_registry(value)) is not None:
        return Fault(
            f"The value is in {registry}. {plain}, with a string or byte array serializer in place of the schema "
            "registry's.",
            "$",
        )
    for mark, encoding in _MARKS.items():
        if value.startswith(mark):
            return Fault(f"The value begins with the byte order mark of {encoding}: write UTF-8 without one.", "$")
    if value[:4] in (b'{\x00"\x00', b'\x00{\x00"'):
        return Fault("The value is text in UTF-16: write UTF-8.", "$")
    for magic, name in _COMPRESSED.items():
        if value.startswith(magic):
            return Fault(
                f"The value is compressed with {name}. {plain}; the producer's setting compression.type compresses it.",
                "$",
            )
    for magic, name in _BINARY.items():
        if value.startswith(magic):
            return Fault(f"The value is {name}. {plain}.", "$")
    if value.strip() and value.lstrip()[:1] not in b'{["' and _is_binary(value):
        begin = value[:4].hex(" ")
        return Fault(f"The value is binary (it begins with {begin}), as Avro, Protobuf or MessagePack. {plain}.", "$")
    return None


def _schema_registry(value: bytes) -> str | None:
    """The wire format of a schema registry's serializer, with the id of the schema."""
    if len(value) > 5 and value[0] == 0:
        schema_id = int.from_bytes(value[1:5], "big")
        if 0 < schema_id < _SCHEMA_ID_END:
            body = "JSON" if value[5:6] == b"{" else "Avro or Protobuf"
            return f"Confluent's wire format (schema id {schema_id}, then {body})"
        if schema_id == 0 and any(value[5:9]):
            return f"Apicurio's wire format (schema id {int.from_bytes(value[1:9], 'big')})"
    if len(value) > 18 and value[0] == 3 and value[1] in (0, 5):
        return f"the wire format of the AWS Glue Schema Registry (schema version {value[2:18].hex()})"
    return None


def _is_binary(value: bytes) -> bool:
    head = value[:64]
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not a character that the cut has split
            return True
    return any(byte < 0x20 and byte not in b"\t\n\r" for byte in head)


def _of_text(value: bytes, what: str, error: str) -> Fault | None:
    """Text that is nearly JSON."""
    text = value.strip()
    if text.startswith(b"<"):
        return Fault(f"The value is XML: publish the {what} as a JSON object.", "$")
    if text.startswith(b"{'"):
        return Fault(
            "The value has single quotes, as Python prints a dict: write JSON, with json.dumps or an encoder.", "$"
        )
    if text.startswith(b"eyJ"):
        return Fault(f"The value is JSON in base64: publish the {what} as plain JSON.", "$")
    if _PRINTED_KEY.match(text):
        return Fault(
            f"The value has text before its JSON object, as a console consumer prints a record with its key: publish "
            f"the {what} alone, and the key as the record's key.",
            "$",
        )
    trailing = _TRAILING.search(error)
    if trailing is not None and value[: int(trailing[1])].endswith(b"{"):
        return Fault(
            f"The value holds several JSON objects: publish each {what} as a record of its own, keyed by its "
            "account_id.",
            "$",
        )
    return None


def _of_json(value: bytes, what: str) -> Fault | None:
    """JSON of another shape."""
    try:
        document = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        return None
    if isinstance(document, str):
        return _of_string(document, what)
    if isinstance(document, list) and document and all(isinstance(item, dict) for item in document):
        return Fault(
            f"The value is a list of {len(document)} objects: publish each {what} as a record of its own, keyed by "
            "its account_id.",
            "$",
        )
    return _of_object(document, what) if isinstance(document, dict) else None


def _of_string(text: str, what: str) -> Fault | None:
    if text.lstrip()[:1] in ("{", "["):
        return Fault(
            f"The value is JSON text inside a JSON string, so it was encoded twice: publish the {what} as an object.",
            "$",
        )
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if content.lstrip()[:1] == b"{":
        return Fault(f"The value is JSON in base64, as a JSON string: publish the {what} as an object.", "$")
    return None


def _of_object(document: dict[str, Any], what: str) -> Fault | None:
    """An object around the event. An object with most of the event's fields is not an envelope, but has a fault."""
    required = _REQUIRED[what]
    if _is_event(document, required):
        return None
    path = next(_paths_to(document, required, "$", SEARCHED_DEPTH_MAX), None)
    where = path or "$"
    if "specversion" in document:
        return Fault(
            f"The value is a CloudEvents envelope in structured mode. Use the binary mode, with the {what} alone as "
            "the value and the attributes in headers.",
            path or "$.data",
        )
    connect = document.keys() == {"schema", "payload"}
    inner = document["payload"] if connect and isinstance(document["payload"], dict) else document
    if str(inner.get("op")) in _DEBEZIUM_OPS and inner.keys() & {"before", "after"}:
        schema = ", and value.converter.schemas.enable=false" if connect else ""
        return Fault(
            f"The value is a Debezium change event (op '{inner['op']}'). Unwrap it in the connector with the transform "
            f"io.debezium.transforms.ExtractNewRecordState{schema}.",
            where,
        )
    if connect:
        return Fault(
            "The value is an envelope of Kafka Connect's JsonConverter, with schema and payload. Set "
            "value.converter.schemas.enable=false.",
            path or "$.payload",
        )
    name = next((name for keys, name in _CHANGES if keys <= document.keys()), None)
    if name is not None:
        return Fault(f"The value is {name}. Publish the {what} alone, as the record's value.", where)
    text_at = next((name for name, item in document.items() if _is_text_of(item, required)), None)
    if text_at is not None and len(text_at) <= NAME_CHARACTERS_MAX:
        printed = ", as kcat -J prints a record" if {"topic", "partition", "offset"} <= document.keys() else ""
        return Fault(
            f"The {what} is JSON text in the field {text_at!r} of another object{printed}: publish it alone, as the "
            "record's value.",
            f"$.{text_at}",
        )
    if path is not None:
        return Fault(f"The {what} is inside another object, at {path}: publish it alone, as the record's value.", path)
    return None


def _is_event(document: Mapping[str, Any], required: frozenset[str]) -> bool:
    """Whether the object is meant to be the event itself."""
    return len(required & document.keys()) >= _EVENT_FIELDS_MIN


def _is_text_of(item: Any, required: frozenset[str]) -> bool:
    """Whether a value is the JSON text of an event."""
    if not isinstance(item, str) or item.lstrip()[:1] != "{":
        return False
    try:
        document = msgspec.json.decode(item)
    except (msgspec.DecodeError, RecursionError, UnicodeError, ValueError):
        return False
    return isinstance(document, dict) and _is_event(document, required)


def _paths_to(document: Any, required: frozenset[str], path: str, depth: int) -> Iterator[str]:
    """JSON paths of the objects inside `document` that are meant to be the event, at most `depth` levels down.

    The row after a change is preferred to the row before it.
    """
    if not depth or not isinstance(document, dict):
        return
    for name, item in sorted(document.items(), key=lambda entry: entry[0] == "before"):
        if isinstance(item, dict) and len(name) <= NAME_CHARACTERS_MAX:
            if _is_event(item, required):
                yield f"{path}.{name}"
            else:
                yield from _paths_to(item, required, f"{path}.{name}", depth - 1)
