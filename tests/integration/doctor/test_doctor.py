"""`fraudstream doctor` on a healthy embedded cluster, and on a broken Apache Kafka."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from fraudstream.cli.main import main
from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.kafka import Brokers
from tests.integration.topic_admin import admin_of, delete_topics
from tests.integration.topics.topics_command import command

PARTITIONS = 6
COUNTS = ("--replication=1", f"--partitions={PARTITIONS}")
Findings = Sequence[dict[str, str]]


class Patient:
    """The topics of one test. `group`: the first part of their names."""

    def __init__(self, servers: str, group: str, capsys: pytest.CaptureFixture[str], *more: str) -> None:
        self.servers, self.group, self._capsys, self._more = servers, group, capsys, more

    def name(self, topic: str) -> str:
        return f"{self.group}-{topic}"

    def apply(self) -> None:
        """Create the topics."""
        main(command(self.servers, self.group, "apply", *COUNTS))
        self._capsys.readouterr()

    def doctor(self, *flags: str) -> tuple[int, Findings]:
        """The exit code and the findings."""
        _, _, *words = command(self.servers, self.group, "check", *COUNTS, *self._more)
        code = main(["doctor", *words, "--json", *flags])
        return code, json.loads(self._capsys.readouterr().out)["findings"]

    async def again(self, topic: str, configs: dict[str, str], partitions: int = PARTITIONS) -> None:
        """Delete a topic and create it with other configs."""
        brokers = Brokers(self.servers)
        await delete_topics(brokers, self.name(topic))
        async with admin_of(brokers) as admin:
            await admin.create_topics([NewTopic(self.name(topic), partitions, 1, topic_configs=configs)])

    async def publish(self, partitioner: Partitioner, occurred_ms: int, keys: Iterable[int] = range(40)) -> None:
        """A payment of each account, placed by a partitioner."""
        async with AIOKafkaProducer(bootstrap_servers=self.servers) as producer:
            for n in keys:
                key = f"acct-{n}".encode()
                payment = {"event_id": f"e{n}-{occurred_ms}", "account_id": f"acct-{n}", "occurred_at": occurred_ms}
                value = json.dumps({**payment, "amount": "1.00", "currency": "EUR", "direction": "debit"})
                number = int(partitions_for([key], PARTITIONS, partitioner)[0])
                await producer.send_and_wait(self.name("payments"), value.encode(), key, number)


def said(findings: Findings, check: str, severity: str) -> list[tuple[str, str]]:
    """Where and what, of one check and severity."""
    return [(f["where"], f["what"]) for f in findings if (f["check"], f["severity"]) == (check, severity)]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_a_healthy_embedded_cluster_has_no_error(
    broker: str, redis_url: str, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    more = ("--set=worker.checkpoint_mode=batch", f"--redis-url={redis_url}", f"--set=history.directory={tmp_path}")
    patient = Patient(broker, unique_name("doctor"), capsys, *more)
    await asyncio.to_thread(patient.apply)
    await patient.publish("murmur2", now_ms())
    code, findings = await asyncio.to_thread(patient.doctor)
    assert [f for f in findings if f["severity"] == "error"] == []
    assert code == 3  # one replica, no authorizer, and a Redis of tests that keeps nothing
    checks = {f["check"] for f in findings}
    assert checks >= {"brokers", "topics", "retention", "permissions", "publishers", "clocks", "rules", "lag", "redis"}
    assert said(findings, "clocks", "error") == []
    assert "no payment" not in str([f["what"] for f in findings])
    assert said(findings, "publishers", "ok")
    assert said(findings, "disk", "ok")


def test_a_redis_that_does_not_answer_is_an_error(
    broker: str, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    patient = Patient(broker, unique_name("doctor"), capsys, "--set=worker.checkpoint_mode=batch")
    code, findings = patient.doctor("--redis-url=redis://127.0.0.1:1/0")
    assert code == 4
    ((_, what),) = said(findings, "redis", "error")
    assert what.startswith("no Redis answers at 127.0.0.1:1 (Connection refused)")


def test_a_part_that_there_is_not_is_refused(broker: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", f"--bootstrap-servers={broker}", "--principal", "wroker=User:w"]) == 1
    assert "unknown part 'wroker'. Nearest: 'worker'." in capsys.readouterr().err


@pytest.mark.kafka
async def test_a_broken_cluster_is_described(
    kafka: str, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    patient = Patient(kafka, unique_name("doctor"), capsys, "--without-redis")
    await asyncio.to_thread(patient.apply)
    await delete_topics(Brokers(kafka), patient.name("labels"))
    await patient.again("account-state-changelog", {"cleanup.policy": "delete"}, 2)
    await patient.again("payments", {"retention.ms": "3600000"})
    await patient.publish("murmur2", now_ms())
    await patient.publish("consistent_random", now_ms() + 8 * 3_600_000)
    code, findings = await asyncio.to_thread(patient.doctor, "--rate=1000000")
    assert code == 4
    topics = said(findings, "topics", "error")
    changelog = patient.name("account-state-changelog")
    assert (patient.name("labels"), "does not exist") in topics
    assert (changelog, "cleanup.policy is delete, wanted compact") in topics
    assert (changelog, f"2 partitions, its log '{patient.name('payments')}' has {PARTITIONS}") in topics
    ((where, what),) = said(findings, "retention", "error")
    assert (where, what.split(":")[0]) == (patient.name("payments"), "records are deleted after 1 hour")
    ((_, placed),) = said(findings, "publishers", "error")
    assert "Give all publishers one partitioner" in placed
    clocks = [what for _, what in said(findings, "clocks", "warning")]
    assert any("occurred after they were published, by up to 8.0 h" in what for what in clocks)
    assert any("carry their publisher's time" in what for what in clocks)
    assert said(findings, "capacity", "error")
