"""Protobuf in Confluent's wire format, with a real schema registry (Apicurio) and an embedded broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraudstream.cli.main import main
from fraudstream.supervision import exit_codes
from tests.brokers import SelectedBroker
from tests.integration.bridge.bank_topic import BankTopic
from tests.integration.bridge.registry import Registry
from tests.protobuf_messages import PARTY, TRANSFERS, MessageClasses, framed

MAPPING = """
title: transfers of the bank
message: {format: protobuf}
payment:
  event_id: {column: id}
  occurred_at: {column: at}
  account_id: {column: payer.account}
  amount: {column: amount, scale: major}
  currency: {column: amount.currency_code}
  direction: {constant: debit}
  kind: {constant: transfer}
  counterparty_id: {column: payee.account}
  attributes:
    sort: {column: kind}
"""
TRANSFER = b"\x02\x02"  # the second message of the file


def fields(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"t-{number}",
        "at": f"2026-03-04T10:00:00.00{number}Z",
        "amount": {"currencyCode": "EUR", "units": "12", "nanos": 500_000_000},
        "payer": {"account": f"a-{number}"},
        "kind": "KIND_CARD",
        **more,
    }


@pytest.mark.registry
async def test_messages_of_protobuf_become_payments_and_what_fits_no_schema_a_dead_letter(
    registry: Registry, broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    bank = BankTopic(SelectedBroker(broker, False), unique_name)
    await bank.create()
    (tmp_path / "bank.yaml").write_text(MAPPING)
    party = unique_name("party")
    registry.register(party, PARTY, kind="PROTOBUF")
    reference = [{"name": "bank/party.proto", "subject": party, "version": 1}]
    known = registry.register(f"{bank.source}-value", TRANSFERS, reference, "PROTOBUF")
    other = registry.register(
        unique_name("elsewhere"), TRANSFERS.replace("message Batch {", "message Batches {"), reference, "PROTOBUF"
    )
    avro = registry.register(unique_name("avro"), '"string"')
    classes = MessageClasses()

    def transfer(schema_id: int, number: int, **more: Any) -> bytes:
        return framed(schema_id, TRANSFER, classes.encoded("bank.Transfer", fields(number, **more)))

    await bank.publish(
        [
            *(transfer(known, 0), transfer(known, 1, payee={"account": "b-1"}), transfer(known, 2)[:-3]),
            *(transfer(987_654, 3), b"{}", transfer(other, 5), transfer(avro, 6), transfer(known, 7, amount={})),
        ]
    )
    command = bank.command(
        "--once",
        f"--mapping={tmp_path / 'bank.yaml'}",
        f"--set=registry.url={registry.url}",
        "--set=registry.subject_strategy=topic",
    )
    assert await asyncio.to_thread(main, command) == exit_codes.DONE
    payments = [payment for found in (await bank.read_payments()).values() for payment in found]
    assert {(p.event_id, p.occurred_at, p.account_id, p.amount, p.counterparty_id) for p in payments} == {
        ("t-0", 1_772_618_400_000, "a-0", "12.50", None),
        ("t-1", 1_772_618_400_001, "a-1", "12.50", "b-1"),
    }
    assert {payment.attributes["sort"] for payment in payments if payment.attributes} == {"KIND_CARD"}
    letters = {letter.key: letter for letter in await bank.read_letters()}
    assert letters.keys() == {b"bank-%d" % number for number in range(2, 8)}
    said = {number: letters[b"bank-%d" % number].sentence for number in range(2, 8)}
    assert said[2].startswith(f"does not fit its schema {known}: ")
    assert said[3] == f"has the schema 987654, which {registry.url} does not have."
    assert said[4].startswith("is not in Confluent's wire format")
    assert f"not registered under the subject '{bank.source}-value'" in said[5]
    assert said[6] == f"has the schema {avro}, which can't be used: it is not of Protobuf but AVRO."
    assert letters[b"bank-7"].path == "$.amount.currency_code"


def test_a_bridge_without_a_registry_says_what_to_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bank.yaml").write_text(MAPPING)
    command = ["bridge", "--from=bank", f"--mapping={tmp_path / 'bank.yaml'}", "--set=metrics.bridge_port=0"]
    assert main(command) == exit_codes.REFUSED
    assert "messages of Protobuf need their schemas: set registry.url." in capsys.readouterr().err
