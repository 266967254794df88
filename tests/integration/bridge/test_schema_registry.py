"""Avro in Confluent's wire format, with a real schema registry (Apicurio) and an embedded broker."""

from __future__ import annotations

import asyncio
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from fraudstream.bridge.schema_registry import RegistryError, RegistrySettings, SchemaRegistry
from fraudstream.cli.main import main
from fraudstream.formats.wire_format import UnknownSchemaError
from tests.brokers import SelectedBroker
from tests.integration.bridge.bank_topic import BankTopic
from tests.integration.bridge.registry import Registry

PARTY = {"type": "record", "name": "Party", "namespace": "bank", "fields": [{"name": "account", "type": "string"}]}
TRANSFER: dict[str, Any] = {
    "type": "record",
    "name": "Transfer",
    "namespace": "bank",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
        {"name": "currency", "type": "string"},
        {"name": "payer", "type": "bank.Party"},
        {"name": "payee", "type": ["null", "bank.Party"], "default": None},
    ],
}
MAPPING = """
title: transfers of the bank
message: {format: avro}
payment:
  event_id: {column: id}
  occurred_at: {column: at}
  account_id: {column: payer.account}
  amount: {column: amount, scale: major}
  currency: {column: currency}
  direction: {constant: debit}
  kind: {constant: transfer}
  counterparty_id: {column: payee.account}
"""


def framed(schema_id: int, **fields: Any) -> bytes:
    named: dict[str, Any] = {}
    fastavro.parse_schema(PARTY, named)
    out = io.BytesIO(b"\0" + schema_id.to_bytes(4, "big"))
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(TRANSFER, named), fields)
    return out.getvalue()


def transfer(schema_id: int, number: int) -> bytes:
    return framed(
        schema_id,
        id=f"t-{number}",
        at=1_772_622_000_000 + number,
        amount=Decimal("12.50"),
        currency="EUR",
        payer={"account": f"a-{number}"},
        payee={"account": "b-1"} if number % 2 else None,
    )


@pytest.mark.registry
async def test_messages_of_avro_become_payments_and_what_fits_no_schema_a_dead_letter(
    registry: Registry, broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    bank = BankTopic(SelectedBroker(broker, False), unique_name)
    await bank.create()
    (tmp_path / "bank.yaml").write_text(MAPPING)
    party = unique_name("party")
    registry.register(party, json.dumps(PARTY))
    reference = [{"name": "bank.Party", "subject": party, "version": 1}]
    known = registry.register(f"{bank.source}-value", json.dumps(TRANSFER), reference)
    other = registry.register(unique_name("elsewhere"), json.dumps({**TRANSFER, "doc": "another subject"}), reference)
    await bank.publish(
        [
            *(transfer(known, 0), transfer(known, 1), transfer(known, 2)[:-3], transfer(987_654, 3), b"{}"),
            *(transfer(other, 5), transfer(known, 6) + b"more"),
        ]
    )
    command = bank.command(
        "--once",
        f"--mapping={tmp_path / 'bank.yaml'}",
        f"--set=registry.url={registry.url}",
        "--set=registry.subject_strategy=topic",
    )
    assert await asyncio.to_thread(main, command) == 0
    payments = [payment for found in (await bank.read_payments()).values() for payment in found]
    assert {(p.event_id, p.occurred_at, p.account_id, p.amount, p.counterparty_id) for p in payments} == {
        ("t-0", 1_772_622_000_000, "a-0", "12.50", None),
        ("t-1", 1_772_622_000_001, "a-1", "12.50", "b-1"),
    }
    letters = {letter.key: letter.sentence for letter in await bank.read_letters()}
    assert letters.keys() == {b"bank-2", b"bank-3", b"bank-4", b"bank-5", b"bank-6"}
    assert letters[b"bank-2"].startswith(f"does not fit its schema {known}: ")
    assert letters[b"bank-3"] == f"has the schema 987654, which {registry.url} does not have."
    assert letters[b"bank-4"].startswith("is not in Confluent's wire format")
    assert f"not registered under the subject '{bank.source}-value'" in letters[b"bank-5"]
    assert letters[b"bank-6"] == f"has 4 bytes more than its schema {known} describes."


@pytest.mark.registry
def test_a_schema_is_asked_for_once_and_a_wrong_url_is_not_the_messages_fault(
    registry: Registry, unique_name: Callable[[str], str]
) -> None:
    schema_id = registry.register(unique_name("party"), json.dumps(PARTY))
    schemas = SchemaRegistry(RegistrySettings(url=registry.url), "bank")
    assert schemas.schema(schema_id) is schemas.schema(schema_id)
    with pytest.raises(UnknownSchemaError):
        schemas.schema(987_654)
    with pytest.raises(RegistryError, match="does not answer /schemas/ids/1: HTTP 404"):
        SchemaRegistry(RegistrySettings(url=registry.url + "/nothing"), "bank").schema(1)


@pytest.fixture
def guarded() -> Iterator[str]:
    """A registry that asks for a password, and has moved in part."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = 200 if self.headers.get("Authorization") == "Basic dTpw" else 401
            self.send_response(302 if self.path.startswith("/moved") else code)
            self.send_header("Location", "/schemas/ids/1")
            self.end_headers()
            self.wfile.write(json.dumps({"schema": json.dumps(PARTY)}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_registry_that_asks_for_a_password_gets_it_or_is_named(guarded: str) -> None:
    assert SchemaRegistry(RegistrySettings(url=guarded, username="u", password="p"), "bank").schema(1).kind == "AVRO"
    with pytest.raises(RegistryError, match="HTTP 302"):  # a password does not follow to another host
        SchemaRegistry(RegistrySettings(url=f"{guarded}/moved", username="u", password="p"), "bank").schema(1)
    with pytest.raises(RegistryError, match=r"refuses us \(401\): check registry\.username"):
        SchemaRegistry(RegistrySettings(url=guarded), "bank").schema(1)


def test_a_registry_that_is_not_there_ends_the_bridge_and_loses_no_message(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def published() -> BankTopic:
        bank = BankTopic(SelectedBroker(broker, False), unique_name)
        await bank.create()
        await bank.publish([transfer(1, 0)])
        return bank

    bank = asyncio.run(published())
    (tmp_path / "bank.yaml").write_text(MAPPING)
    mapping = f"--mapping={tmp_path / 'bank.yaml'}"
    assert main(bank.command("--once", mapping)) == 78
    assert "messages of Avro need their schemas: set registry.url." in capsys.readouterr().err
    assert main(bank.command("--once", mapping, "--set=registry.url=http://127.0.0.1:9")) == 70
    assert "schema registry at http://127.0.0.1:9 does not answer /schemas/ids/1" in capsys.readouterr().err
    assert asyncio.run(bank.read_letters()) == []
