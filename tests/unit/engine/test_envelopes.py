"""Payments in other formats and in envelopes: the dead letter names the format, and says what to publish instead."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.payment import Payment
from fraudstream.engine.apply import apply
from fraudstream.engine.columns import Rejection
from fraudstream.engine.decode import decode
from fraudstream.engine.engine import Engine
from fraudstream.engine.envelopes import format_fault
from fraudstream.engine.rule_set import compile_rule_set
from tests.property.profile import EXAMPLES

PAYMENT: dict[str, Any] = {
    "event_id": "e-1",
    "occurred_at": 1_772_625_600_000,
    "account_id": "acc-1",
    "amount": "12.50",
    "currency": "EUR",
    "direction": "debit",
}
JSON = json.dumps(PAYMENT).encode()
AVRO = bytes.fromhex("066532310a6163632d310a31322e3530")
CLOUD_EVENT = {"specversion": "1.0", "id": "1", "source": "/pos", "type": "payment", "data": PAYMENT}
DEBEZIUM = {"before": None, "after": PAYMENT, "source": {"db": "core"}, "op": "c", "ts_ms": 1}

FORMATS: dict[str, tuple[bytes, str, str, str]] = {
    # Bytes: value, reason, what the sentence names, path.
    "Confluent, JSON Schema": (
        b"\0\0\0\0\x11" + JSON,
        "not_json",
        "Confluent's wire format (schema id 17, then JSON)",
        "$",
    ),
    "Confluent, Avro": (b"\0\0\1\x86\xa1" + AVRO, "not_json", "schema id 100001, then Avro or Protobuf", "$"),
    "Confluent, Protobuf": (b"\0\0\0\0\x07\0" + AVRO, "not_json", "schema id 7, then Avro or Protobuf", "$"),
    "Apicurio": (b"\0\0\0\0\0\0\0\0\x09" + JSON, "not_json", "Apicurio's wire format (schema id 9)", "$"),
    "Glue": (b"\x03\x00" + bytes(range(1, 17)) + AVRO, "not_json", "AWS Glue Schema Registry", "$"),
    "Avro file": (b"Obj\x01" + AVRO, "not_json", "an Avro file", "$"),
    "Avro, single object": (b"\xc3\x01" + b"12345678" + AVRO, "not_json", "Avro's single-object encoding", "$"),
    "Avro or Protobuf": (AVRO, "not_json", "binary (it begins with 06 65 32 31)", "$"),
    "MessagePack": (msgspec.msgpack.encode(PAYMENT), "not_json", "binary (it begins with 86 a8", "$"),
    "zeros": (b"\0" * 40, "not_json", "binary (it begins with 00 00 00 00)", "$"),
    "gzip": (gzip.compress(JSON), "not_json", "compressed with gzip", "$"),
    "zlib": (zlib.compress(JSON), "not_json", "compressed with zlib", "$"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "not_json", "compressed with zstd", "$"),
    "Java object": (b"\xac\xed\x00\x05sr", "not_json", "a serialized Java object", "$"),
    "UTF-8 mark": (b"\xef\xbb\xbf" + JSON, "not_json", "byte order mark of UTF-8", "$"),
    "UTF-16 mark": (JSON.decode().encode("utf-16"), "not_json", "byte order mark of UTF-16", "$"),
    "UTF-16": (JSON.decode().encode("utf-16-le"), "not_json", "text in UTF-16", "$"),
    "UTF-32 mark": (JSON.decode().encode("utf-32"), "not_json", "byte order mark of UTF-32", "$"),
    # Text that is nearly JSON.
    "XML": (b"<?xml version='1.0'?><Document/>", "not_json", "XML", "$"),
    "Python": (str(PAYMENT).encode(), "not_json", "single quotes, as Python prints a dict", "$"),
    "base64": (base64.b64encode(JSON), "not_json", "JSON in base64", "$"),
    "two objects": (JSON + b"\n" + JSON, "not_json", "several JSON objects", "$"),
    "console consumer": (b"acct-7\t" + JSON, "not_json", "as a console consumer prints a record with its key", "$"),
    # JSON of another shape.
    "kcat -J": (
        json.dumps({"topic": "payments", "partition": 0, "offset": 4, "key": "a", "payload": JSON.decode()}).encode(),
        "invalid",
        "JSON text in the field 'payload' of another object, as kcat -J prints a record",
        "$.payload",
    ),
    "JSON text in a field": (
        json.dumps({"log": JSON.decode()}).encode(),
        "invalid",
        "JSON text in the field 'log' of another object: publish it alone",
        "$.log",
    ),
    "list": (b"[" + JSON + b"," + JSON + b"]", "invalid", "a list of 2 objects", "$"),
    "encoded twice": (json.dumps(JSON.decode()).encode(), "invalid", "it was encoded twice", "$"),
    "base64 in a string": (
        json.dumps(base64.b64encode(JSON).decode()).encode(),
        "invalid",
        "JSON in base64, as a JSON string",
        "$",
    ),
    "CloudEvents": (json.dumps(CLOUD_EVENT).encode(), "invalid", "CloudEvents envelope in structured mode", "$.data"),
    "CloudEvents, base64": (
        json.dumps({"specversion": "1.0", "type": "t", "data_base64": "e30="}).encode(),
        "invalid",
        "CloudEvents envelope",
        "$.data",
    ),
    "Debezium": (
        json.dumps({"schema": {"type": "struct"}, "payload": DEBEZIUM}).encode(),
        "invalid",
        "a Debezium change event (op 'c')",
        "$.payload.after",
    ),
    "Debezium without schema": (json.dumps(DEBEZIUM).encode(), "invalid", "Debezium change event", "$.after"),
    "Debezium, an update": (
        json.dumps({**DEBEZIUM, "op": "u", "before": PAYMENT}).encode(),
        "invalid",
        "(op 'u')",
        "$.after",
    ),
    "Debezium, a deletion": (
        json.dumps({**DEBEZIUM, "op": "d", "before": PAYMENT, "after": None}).encode(),
        "invalid",
        "(op 'd')",
        "$.before",
    ),
    "Connect": (
        json.dumps({"schema": None, "payload": PAYMENT}).encode(),
        "invalid",
        "Set value.converter.schemas.enable=false",
        "$.payload",
    ),
    "GoldenGate": (
        json.dumps({"table": "T", "op_type": "I", "after": PAYMENT}).encode(),
        "invalid",
        "GoldenGate",
        "$.after",
    ),
    "Maxwell": (
        json.dumps({"database": "d", "table": "t", "type": "insert", "data": PAYMENT}).encode(),
        "invalid",
        "a Maxwell change message",
        "$.data",
    ),
    "own envelope": (
        json.dumps({"meta": {"v": 1}, "body": {"payment": PAYMENT}}).encode(),
        "invalid",
        "inside another object, at $.body.payment",
        "$.body.payment",
    ),
}


def rejected(value: bytes, label: bool = False) -> Rejection:
    (event,) = decode([value], [label])
    assert isinstance(event, Rejection), event
    return event


@pytest.mark.parametrize("name", FORMATS)
def test_another_format_is_named_in_the_sentence_with_what_to_do(name: str) -> None:
    value, reason, named, path = FORMATS[name]
    found = rejected(value)
    assert named in found.sentence
    assert (found.reason, found.path) == (reason, path)
    assert found.sentence.endswith(".")
    assert len(found.sentence) < 300
    assert re.search(r"\b([Pp]ublish|write|Set|Use|Unwrap)\b", found.sentence), "what to do"


def test_labels_are_recognised_too() -> None:
    label = {"event_id": "e-1", "account_id": "acc-1", "label": "fraud", "labelled_at": 1}
    found = rejected(json.dumps({"specversion": "1.0", "data": label}).encode(), label=True)
    assert (found.path, "with the label alone as the value" in found.sentence) == ("$.data", True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"amount": 12.5}, "amount must be text, not a number: put it in quotes."),
        ({"op": "c", "after": {}, "direction": "out"}, "direction can't be 'out'. Choose from: debit, credit."),
        ({"specversion": "1.0", "amount": 1}, "amount must be text, not a whole number: put it in quotes."),
    ],
)
def test_the_fault_of_a_plain_payment_is_named_whatever_else_it_has(changes: dict[str, Any], sentence: str) -> None:
    assert rejected(json.dumps({**PAYMENT, **changes}).encode()).sentence == sentence


@pytest.mark.parametrize("value", [b"", b"  ", b"{", b"[]", b"{}", b"null", b"1", b'"text"', b'{"op":[],"after":1}'])
def test_what_is_of_no_known_format_keeps_the_sentence_of_the_decoder(value: bytes) -> None:
    assert format_fault(value, "payment", "") is None


@EXAMPLES
@given(st.binary(max_size=80) | st.recursive(st.none() | st.text(max_size=5), st.lists).map(msgspec.json.encode))
def test_any_bytes_are_looked_at_without_an_error(value: bytes) -> None:
    found = format_fault(value, "payment", "trailing characters (byte 3)")
    assert found is None or found.sentence.endswith(".")


def test_a_path_of_long_names_is_not_told() -> None:
    found = rejected(json.dumps({"x" * 64: {"y" * 65: PAYMENT}}).encode())
    assert found.path == "$"
    assert rejected(json.dumps({"x" * 64: {"y" * 64: PAYMENT}}).encode()).path == f"$.{'x' * 64}.{'y' * 64}"


class Published(msgspec.Struct):
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int = 1_772_625_600_000
    offset: int = 0


@pytest.mark.parametrize(
    "headers",
    [
        (
            ("ce_specversion", b"1.0"),
            ("ce_type", b"payment"),
            ("ce_source", b"/pos"),
            ("ce_id", b"1"),
            ("content-type", b"application/json"),
        ),
        (("type", b"payment"), ("source", b"core"), ("__value_schema_id", b"\x01" + bytes(16))),
    ],
    ids=["CloudEvents in binary mode", "headers of other systems"],
)
def test_a_plain_payment_is_taken_with_any_headers(headers: tuple[tuple[str, bytes], ...]) -> None:
    features = "version: 1\nentities:\n  account: {key: account_id, slots: 4}\nfeatures: {}\n"
    engine = Engine(compile_rule_set({"features.yaml": features, "score.yaml": "threshold: 0.9\nparts: []\n"}))
    result = apply(engine, engine.new_state(), [Published(b"acc-1", JSON, headers)])
    assert (result.refused, list(result.verdicts.payments)) == ([], [msgspec.json.decode(JSON, type=Payment)])
