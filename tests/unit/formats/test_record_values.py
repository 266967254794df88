"""Records of Avro files and JSON as rows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import fastavro
import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import Mapping, parse_mapping
from fraudstream.backtest.payment_file import PaymentFile
from fraudstream.bridge.conversion import Message, MessageConverter, Refusal

MAPPING = """
title: t
message: {format: FORMAT, each: transfers}
on_bad_row: skip
payment:
  event_id: {column: id}
  occurred_at: {column: $.header.at}
  account_id: {column: payer.account}
  amount: {column: amount, scale: major}
  currency: {constant: EUR}
  direction: {constant: debit}
"""
JSON = b"""{"header": {"at": "2026-03-04T10:00:00Z"}, "transfers": [
 {"id": "a", "amount": 12.50, "payer": {"account": "x"}}, {"id": "b", "amount": 1e-3, "payer": {"account": "y"}},
 {"id": "c", "amount": 0.10, "payer": "z"}]}""".replace(b"\n", b"")
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Batch",
        "fields": [
            {
                "name": "header",
                "type": {
                    "type": "record",
                    "name": "Header",
                    "fields": [{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
                },
            },
            {
                "name": "transfers",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Transfer",
                        "fields": [
                            {"name": "id", "type": "string"},
                            {
                                "name": "amount",
                                "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
                            },
                            {"name": "payer", "type": {"type": "map", "values": "string"}},
                        ],
                    },
                },
            },
        ],
    }
)


def mapping_of(name: str) -> Mapping:
    return parse_mapping(MAPPING.replace("FORMAT", name), "m.yaml")


def test_the_items_of_an_array_are_payments_and_faults_have_their_path() -> None:
    (found,) = MessageConverter([mapping_of("json")]).convert([Message(JSON, 0)])
    assert [(p.event_id, p.amount, p.account_id, p.occurred_at) for p in found.payments] == [
        ("a", "12.50", "x", 1_772_618_400_000)
    ]
    assert [(refusal.path, refusal.reason) for refusal in found.refusals] == [
        ("$.transfers[1].amount", "amount"),
        ("$.transfers[2].payer.account", "invalid"),
    ]
    told = found.refusal()
    assert told is not None
    assert (
        "2 transactions of the message are refused; the others are payments. $.transfers[2].payer.account: "
        in told.sentence
    )


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (b"[]", Refusal("format", "is not a JSON object.", "$")),
        (b'{"transfers": []}', Refusal("format", "is no array with a transaction in it.", "$.transfers")),
        (b'{"transfers": [1]}', Refusal("format", "is no record.", "$.transfers[0]")),
        (b'{"a": 1, "a": 2}', Refusal("format", "has the key 'a' twice.", "$")),
    ],
)
def test_json_that_holds_no_transaction_is_refused(message: bytes, refusal: Refusal) -> None:
    (found,) = MessageConverter([mapping_of("json")]).convert([Message(message, 0)])
    assert found.refusals == [refusal]


def test_a_half_of_a_surrogate_pair_does_not_end_the_bridge() -> None:
    (found,) = MessageConverter([mapping_of("json")]).convert([Message(JSON.replace(b'"a"', b'"\\ud800"'), 0)])
    assert found.refusals[0] == Refusal(
        "invalid", "holds half of a surrogate pair, which is no character.", "$.transfers[0].id"
    )


def test_an_avro_file_and_a_file_of_json_lines_are_read_by_the_same_mapping(tmp_path: Path) -> None:
    record = {
        "header": {"at": 1_772_618_400_000},
        "transfers": [{"id": "a", "amount": Decimal("12.50"), "payer": {"account": "x"}}],
    }
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, SCHEMA, [record])
    (tmp_path / "a.jsonl").write_bytes(JSON + b"\n")
    found = [
        [payment for batch in PaymentFile(tmp_path / name, mapping_of(form)).batches() for payment in batch.payments]
        for name, form in (("a.avro", "avro"), ("a.jsonl", "json"))
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 1
    whole = (tmp_path / "a.avro").read_bytes()
    (tmp_path / "cut.avro").write_bytes(whole[:-20])
    with pytest.raises(PaymentFileError, match="is no whole Avro file"):
        list(PaymentFile(tmp_path / "cut.avro", mapping_of("avro")).batches())
