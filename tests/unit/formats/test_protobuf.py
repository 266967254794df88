"""Messages of Protobuf as payments: the wire format, the values of fields, and what is refused where."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudstream.backtest.mapping import parse_mapping
from fraudstream.bridge.conversion import ConvertedMessage, Message, MessageConverter, Refusal
from fraudstream.bridge.protobuf_compiler import compiled_descriptors
from fraudstream.contracts import Payment
from fraudstream.engine.contract_check import contract_faults
from fraudstream.formats.catalogue import FormatServices, message_format
from fraudstream.formats.message import MessageError
from fraudstream.formats.message_layout import MessageLayout
from fraudstream.formats.wire_format import RegisteredSchema, SchemaReference, UnknownSchemaError
from tests.protobuf_messages import REGISTERED, MessageClasses, framed

CLASSES = MessageClasses()
TRANSFER = b"\x02\x02"  # one index: 1
KNOWN = 7
MAPPING = """
title: t
message: {format: protobuf}
payment:
  event_id: {column: id}
  occurred_at: {column: at}
  account_id: {column: payer.account}
  amount: {column: amount, scale: major}
  currency: {column: amount.currency_code}
  direction: {constant: debit}
  kind: {constant: transfer}
  channel: {column: channel}
"""
FIELDS: dict[str, Any] = {
    "id": "t-1",
    "at": "2026-03-04T10:00:00.123Z",
    "amount": {"currencyCode": "EUR", "units": "12", "nanos": 500_000_000},
    "payer": {"account": "a-1"},
    "channel": "app",
}


class Schemas:
    """A registry in memory. The schema of `KNOWN` is of the topic, every other is not."""

    def __init__(self, **schemas: RegisteredSchema) -> None:
        self._schemas = {KNOWN: REGISTERED, **{int(name[1:]): schema for name, schema in schemas.items()}}
        self.compiled = 0

    def schema(self, schema_id: int) -> RegisteredSchema:
        if schema_id not in self._schemas:
            raise UnknownSchemaError(f"has the schema {schema_id}, which the registry does not have.")
        return self._schemas[schema_id]

    def check_subject(self, schema_id: int, record_name: str) -> None:
        if record_name == "bank.Batch":
            raise UnknownSchemaError("has a schema that is not registered under the subject of this topic.")

    def compiler(self, schema: RegisteredSchema) -> bytes:
        self.compiled += 1
        return compiled_descriptors(schema)


def converter_of(mapping: str = MAPPING, schemas: Schemas | None = None) -> MessageConverter:
    schemas = schemas or Schemas()
    services = FormatServices(schemas=schemas, protobuf_compiler=schemas.compiler)
    return MessageConverter([parse_mapping(mapping, "m.yaml")], services)


CONVERTER = converter_of()


def converted(message: bytes, converter: MessageConverter = CONVERTER) -> ConvertedMessage:
    (found,) = converter.convert([Message(message, 0)])
    return found


def refusal(message: bytes, converter: MessageConverter = CONVERTER) -> Refusal:
    found = converted(message, converter)
    assert found.payments == []
    (only,) = found.refusals
    return only


def transfer(**changed: Any) -> bytes:
    """A transfer; a field that is changed to None is left out."""
    fields = {name: value for name, value in {**FIELDS, **changed}.items() if value is not None}
    return framed(KNOWN, TRANSFER, CLASSES.encoded("bank.Transfer", fields))


def values_of(columns: list[str], fields: dict[str, Any]) -> list[str | None]:
    """What columns give of a transfer."""
    schemas = Schemas()
    services = FormatServices(schemas=schemas, protobuf_compiler=schemas.compiler)
    reader = message_format(MessageLayout("protobuf"), columns, services)
    (found,) = reader.transactions(framed(KNOWN, TRANSFER, CLASSES.encoded("bank.Transfer", fields)), None)
    assert found.fault is None
    return found.values


def test_a_message_becomes_a_payment() -> None:
    assert converted(transfer()).payments == [
        Payment("t-1", 1_772_618_400_123, "a-1", "12.50", "EUR", "debit", kind="transfer", channel="app")
    ]


def test_the_items_of_a_repeated_field_are_payments_and_faults_have_their_path() -> None:
    mapping = MAPPING.replace("protobuf}", "protobuf, each: transfers}").replace("column: at", "column: $.created")
    schemas = Schemas(_9=RegisteredSchema("PROTOBUF", REGISTERED.text.replace("Batch", "Many"), REGISTERED.references))
    bad = {**FIELDS, "id": "t-2", "amount": {"currencyCode": "EUR", "units": "1", "nanos": -5}}
    body = CLASSES.encoded("bank.Batch", {"created": FIELDS["at"], "transfers": [FIELDS, bad]})
    found = converted(framed(9, b"\0", body), converter_of(mapping, schemas))
    assert [payment.event_id for payment in found.payments] == ["t-1"]
    assert found.refusals == [Refusal("invalid", "is no amount: 1 units, -5 nanos.", "$.transfers[1].amount")]


def test_every_kind_of_field_has_a_text_or_is_missing() -> None:
    fields = {
        "kind": "KIND_CARD",
        "tags": {"branch": "7"},
        "partner": "p-1",
        "device": "d-1",
        "sequence": "9007199254740993",
        "fee": {"value": "/4k=", "scale": 2},
        "rate": {"value": "1.250"},
        "share": 0.1,
        "instant": True,
        "valueDate": {"year": 2026, "month": 3, "day": 4},
        "at": "2026-03-04T10:00:00Z",
        "amount": {"units": "-3", "nanos": -250_000_000},
    }
    expected = {
        "kind": "KIND_CARD",
        "tags.branch": "7",
        "tags.other": None,
        "partner": "p-1",
        "agent": None,
        "device": "d-1",
        "sequence": "9007199254740993",
        "fee": "-1.19",
        "rate": "1.250",
        "share": "0.1",
        "instant": "true",
        "value_date": "2026-03-04",
        "at": "2026-03-04T10:00:00+00:00",
        "at.seconds": "1772618400",
        "amount": "-3.25",
        "amount.units": "-3",
        "payer.account": None,
        "channel": None,
        "id": "",
        "$.kind": "KIND_CARD",
    }
    assert values_of(list(expected), fields) == list(expected.values())


def test_an_enum_number_that_the_schema_does_not_name_is_its_number() -> None:
    assert values_of(["kind"], {"kind": 9}) == ["9"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"amount": {"nanos": 1_000_000_000}}, "is no amount: 0 units, 1000000000 nanos."),
        ({"fee": {"value": "AQ==", "scale": 2_000_000_000}}, "is no number that is read: 1 bytes, scale 2000000000."),
        ({"fee": {"value": "A" * 88}}, "is no number that is read: 66 bytes, scale 0."),
        ({"valueDate": {"year": 2026}}, "is no day: year 2026, month 0, day 0."),
        ({"raw": "AQ=="}, "is bytes, which have no text: map another field."),
        ({"payer": {}}, "is a record; give the path of a value in it."),
        ({"tags": {"a": "b"}}, "is a record; give the path of a value in it."),
    ],
    ids=str,
)
def test_a_value_without_a_text_is_refused_at_its_path(fields: dict[str, Any], sentence: str) -> None:
    name = next(iter(fields))
    field = "value_date" if name == "valueDate" else name
    mapping = MAPPING.replace("column: channel", f"column: {field}")
    assert refusal(transfer(**fields), converter_of(mapping)) == Refusal("invalid", sentence, f"$.{field}")


def test_a_time_beyond_the_year_9999_is_refused_at_its_path() -> None:
    """JSON of Protobuf writes no such time."""
    late = Timestamp(seconds=253_402_300_800).SerializeToString()
    found = refusal(transfer(at=None) + b"\x12" + bytes([len(late)]) + late)
    assert found == Refusal("invalid", "is no time: 253402300800 seconds, 0 nanoseconds.", "$.at")


def test_a_message_within_a_message_is_found_behind_the_entries_of_a_map() -> None:
    """Confluent's Java serializer counts messages as the .proto text has them, where a map is a field."""
    mapping = MAPPING.replace("column: ", "column: original.").replace("original.id", "id")
    body = CLASSES.encoded("bank.Transfer.Reversal", {"id": "r-1", "original": FIELDS})
    found = converted(framed(KNOWN, b"\x04\x02\x00", body), converter_of(mapping))
    assert [(payment.event_id, payment.account_id) for payment in found.payments] == [("r-1", "a-1")]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b"", "is not in Confluent's wire format: byte 0, then the schema's id in four bytes."),
        (b"{}", "is not in Confluent's wire format: byte 0, then the schema's id in four bytes."),
        (framed(KNOWN, b"", b""), "ends before, or in, the indexes that name its message."),
        (framed(KNOWN, b"\x04\x02", b""), "ends before, or in, the indexes that name its message."),
        (framed(KNOWN, b"\xff\xff\xff\xff\xff\xff", b""), "ends before, or in, the indexes that name its message."),
        (framed(KNOWN, b"\x01", b""), "names its message by -1 indexes; 1 to 32 can be read."),
        (framed(KNOWN, b"\x42", b"\0" * 40), "names its message by 33 indexes; 1 to 32 can be read."),
        (framed(KNOWN, b"\x02\x01", b""), "names its message by the index -1."),
        (framed(KNOWN, b"\x02\x06", b""), "names a message [3], which its schema 7 does not have."),
        (framed(KNOWN, b"\x04\x02\x02", b""), "names a message [1, 1], which its schema 7 does not have."),
        (framed(99, b"\0", b""), "has the schema 99, which the registry does not have."),
        (framed(KNOWN, b"\0", b""), "has a schema that is not registered under the subject of this topic."),
        (transfer()[:-2], "does not fit its schema 7: "),
    ],
    ids=str,
)
def test_a_message_that_cannot_be_read_is_refused(message: bytes, sentence: str) -> None:
    found = refusal(message)
    assert (found.reason, found.path) == ("format", "$")
    assert found.sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        (RegisteredSchema("AVRO", "{}"), "it is not of Protobuf but AVRO."),
        (RegisteredSchema("PROTOBUF", "nonsense"), "line 1, column 1 of its text: Expected top-level statement"),
        (RegisteredSchema("PROTOBUF", 'syntax = "proto3";\nimport "x.proto";'), 'Import "x.proto" was not found'),
        (RegisteredSchema("PROTOBUF", "", (SchemaReference("../x", ""),)), "it refers to a file '../x'"),
        (RegisteredSchema("PROTOBUF", "", (SchemaReference("a" * 999, ""),)), "can't be written for the compiler"),
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_used_is_named_and_compiled_once(schema: RegisteredSchema, sentence: str) -> None:
    schemas = Schemas(_9=schema)
    converter = converter_of(schemas=schemas)
    found = [refusal(framed(9, b"\0", b""), converter) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].sentence.startswith("has the schema 9, which can't be used: ")
    assert sentence in found[0].sentence
    assert schemas.compiled == (schema.kind == "PROTOBUF")


def test_proto2_may_lack_what_it_requires_and_hold_what_is_no_text() -> None:
    text = 'syntax = "proto2"; message T { required string id = 1; optional string note = 2; }'
    schemas = Schemas(_9=RegisteredSchema("PROTOBUF", text))
    services = FormatServices(schemas=schemas, protobuf_compiler=schemas.compiler)
    reader = message_format(MessageLayout("protobuf"), ["id", "note"], services)
    with pytest.raises(MessageError, match=r"^\$\.id: lacks what its schema 9 requires\.$"):
        reader.transactions(framed(9, b"\0", b""), None)
    (found,) = reader.transactions(framed(9, b"\0", b"\x0a\x01a\x12\x01\xff"), None)
    assert found.fault is not None
    assert (found.path_of(found.fault.column), found.fault.sentence) == ("$.note", "is not valid UTF-8.")


def test_files_and_a_topic_without_a_registry_are_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match=r"set registry\.url"):
        message_format(MessageLayout("protobuf"), ["id"])


WHOLE = transfer()


@given(
    st.one_of(
        st.binary(max_size=64).map(lambda body: framed(KNOWN, TRANSFER, body)),
        st.binary(max_size=16).map(lambda body: WHOLE[:5] + body),
        st.tuples(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)), st.binary(max_size=8)).map(
            lambda cut: WHOLE[: min(cut[:2])] + cut[2] + WHOLE[max(cut[:2]) :]
        ),
    )
)
@settings(max_examples=400, deadline=None)
def test_no_message_ends_the_bridge(message: bytes) -> None:
    found = converted(message)
    assert len(found.payments) + len(found.refusals) == 1
    assert all(refusal.path.startswith("$") and refusal.sentence.endswith(".") for refusal in found.refusals)
    assert contract_faults(found.payments) == []
