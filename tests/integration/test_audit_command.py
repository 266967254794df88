"""`fraudstream audit` on a broker: what the writer wrote is listed, exported and verified; a forged record is found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from fraudstream.audit.topic import AuditTopic, AuditTopicSink
from fraudstream.audit.writer import AuditWriter
from fraudstream.cli.main import main
from fraudstream.kafka import Brokers
from tests.integration.topic_admin import admin_of
from tests.unit.audit.logs import event


async def written(brokers: Brokers, topic: str, count: int) -> None:
    """A writer's start, `count` views of case-<n>, its stop."""
    sink = AuditTopicSink(brokers, topic, idempotent=False)
    writer = AuditWriter(sink, lambda: 1_772_625_600_000)
    task = asyncio.create_task(writer.run())
    for number in range(count):
        writer.note(event(number, object=f"case:case-{number % 3}"))
    await writer.record(event(count, "log_out", actor="bob"))
    await writer.stop(within_s=10)
    task.cancel()
    await sink.close()


async def prepared(brokers: Brokers, topic: str) -> None:
    async with admin_of(brokers) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    await written(brokers, topic, 6)
    await written(brokers, topic, 1)


async def forge(brokers: Brokers, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(**brokers.options()) as producer:
        await producer.send_and_wait(topic, value)


def test_the_log_is_listed_exported_and_verified(
    broker: str, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    brokers, topic = Brokers(broker), unique_name("audit")
    asyncio.run(prepared(brokers, topic))

    def audit(*args: str) -> tuple[int, str]:
        code = main(["audit", *args, "--bootstrap-servers", broker, "--topic", topic])
        return code, capsys.readouterr().out

    code, out = audit("verify", "--json")
    found = json.loads(out)
    assert (code, found["records"], found["chains"], found["faults"]) == (0, 13, 2, [])
    assert audit("verify", "--expect", found["heads"][-1])[0] == 0
    assert audit("verify", "--expect", f"{'0' * 32}:1:{'0' * 64}")[0] == 1

    code, out = audit("list", "--object", "case:case-1", "--json")
    assert [json.loads(line)["event"]["at_ms"] % 100 for line in out.splitlines()] == [4, 1]
    assert audit("list", "--actor", "nobody") == (0, "no events\n")
    assert "bob  192.0.2.7  log_out  done" in audit("list", "--limit", "2")[1]

    file = tmp_path / "audit.jsonl"
    assert audit("export", "--out", str(file))[1] == f"13 records: {file}\n"
    assert audit("verify", "--file", str(file))[0] == 0
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:3], lines[3].replace(b'"ann"', b'"bob"'), *lines[4:]]))
    code, out = audit("verify", "--file", str(file))
    assert (code, out.startswith("changed: offset 3, ")) == (1, True)

    asyncio.run(forge(brokers, topic, lines[2].rstrip()))
    code, out = audit("verify")
    assert (code, out.startswith("reordered: offset 13, ")) == (1, True)


def test_pages_go_backwards_by_offset(broker: str, unique_name: Callable[[str], str]) -> None:
    brokers, topic = Brokers(broker), unique_name("audit")
    asyncio.run(prepared(brokers, topic))

    async def pages() -> list[list[int]]:
        found, before = [], None
        while True:
            records, before = await AuditTopic(brokers, topic).newest(lambda value: b"view" in value, 3, before, 1_000)
            found.append([record.offset for record in records])
            if before is None:
                return found

    assert [offset for page in asyncio.run(pages()) for offset in page] == [10, 6, 5, 4, 3, 2, 1]


def test_without_the_topic_it_is_one_sentence(
    broker: str, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify", "--bootstrap-servers", broker, "--topic", unique_name("audit")]) == 1
    assert "fraudstream topics apply creates it" in capsys.readouterr().err
