"""The writer on a real broker: every record once, whatever kills it, and erasure while it runs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from fraudstream.cli.main import main
from fraudstream.history.check import faults
from fraudstream.history.errors import HistoryError
from fraudstream.history.follower import FollowerSettings, HistoryFollower
from fraudstream.history.manifest import load
from fraudstream.history.reader import HistoryReader
from fraudstream.history.store import HistoryStore
from fraudstream.kafka import Brokers
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.topic_admin import admin_of
from tests.unit.history.log_records import T0, LogRecord, decision, label, payment

PARTITIONS = 2
KILLS = 2
BURST = 200


class Topics:
    """The topics of one test on a broker."""

    def __init__(self, broker: SelectedBroker, unique_name: Callable[[str], str]) -> None:
        self.brokers = Brokers(broker.servers)
        self.is_kafka = broker.is_kafka
        self.payments, self.decisions = unique_name("payments"), unique_name("decisions")

    async def create(self) -> None:
        async with admin_of(self.brokers) as admin:
            await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in (self.payments, self.decisions)])

    async def publish(self, topic: str, records: Sequence[LogRecord]) -> None:
        async with AIOKafkaProducer(**self.brokers.options()) as producer:
            for record in records:
                await producer.send(
                    topic,
                    record.value,
                    key=record.key,
                    headers=list(record.headers),
                    timestamp_ms=record.timestamp,
                    partition=record.offset % PARTITIONS,
                )
            await producer.flush()

    def follower(self, store: HistoryStore) -> HistoryFollower:
        settings = FollowerSettings(
            brokers=self.brokers,
            payments_topic=self.payments,
            decisions_topic=self.decisions,
            committed_only=self.is_kafka,
            fetch_wait_ms=5,
            commit_s=0.05,
        )
        return HistoryFollower(settings, store, Observed(), lambda: 1_000)

    def command(self, root: Path, *more: str) -> list[str]:
        settings = {
            "kafka.bootstrap_servers": self.brokers.servers,
            "topics.payments": self.payments,
            "topics.decisions": self.decisions,
            "worker.checkpoint_mode": "transaction" if self.is_kafka else "batch",
            "worker.fetch_wait_ms": 5,
            "history.directory": root,
            "history.retention_days": 0,
            "history.commit_interval_s": 0.05,
            "metrics.history_port": 0,
        }
        return ["history", *more, *(f"--set={name}={value}" for name, value in settings.items())]


class Observed:
    """What the follower reports, unused."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@pytest.fixture
async def topics(selected_broker: SelectedBroker, unique_name: Callable[[str], str]) -> Topics:
    topics = Topics(selected_broker, unique_name)
    await topics.create()
    return topics


@on_both_brokers
async def test_a_writer_that_is_killed_keeps_every_record_once(topics: Topics, tmp_path: Path) -> None:
    """kill -9 at moments that the test does not choose, while records arrive; then up to the end of the topics."""
    root = tmp_path / "history"
    for kill in range(KILLS):
        command = [sys.executable, "-m", "fraudstream.cli.main", *topics.command(root)]
        process = await asyncio.create_subprocess_exec(*command)
        try:
            numbers = range(kill * BURST, (kill + 1) * BURST)
            await topics.publish(topics.payments, [payment(n, f"acct-{n % 7}", device_id="d") for n in numbers])
            await topics.publish(topics.decisions, [decision(n, f"p-{n}", f"acct-{n % 7}") for n in numbers])
            before = _generation(root)
            await until(partial(_has_changed, root, before))
        finally:
            process.kill()
            await process.wait()
    assert await asyncio.to_thread(main, topics.command(root, "--once")) == 0
    manifest = load(root)
    assert manifest is not None
    sizes = manifest.sizes()
    assert (sizes["payments"].rows, sizes["decisions"].rows) == (KILLS * BURST, KILLS * BURST)
    assert faults(root) == []
    reader = HistoryReader(root)
    found = reader.payments("account", "acct-3", since_ms=0, rows=1_000)
    assert {each.event_id for each in found} == {f"p-{n}" for n in range(KILLS * BURST) if n % 7 == 3}
    assert {each.outcome for each in found} == {"allow"}
    reader.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until `holds()` is true. Raises `TimeoutError`."""
    async with asyncio.timeout(60):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


def _has_changed(root: Path, before: int) -> bool:
    return _generation(root) > before


def _generation(root: Path) -> int:
    manifest = load(root)
    return -1 if manifest is None else manifest.generation


@pytest.fixture
async def embedded_topics(broker: str, unique_name: Callable[[str], str]) -> Topics:
    topics = Topics(SelectedBroker(broker, False), unique_name)
    await topics.create()
    return topics


async def test_an_account_is_erased_while_the_writer_runs(
    embedded_topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics, stopping = embedded_topics, asyncio.Event()
    await topics.publish(topics.payments, [payment(0), payment(1, "acct-2"), label(2, "p-0")])
    with HistoryStore(tmp_path) as store:
        following = asyncio.create_task(topics.follower(store).run(stopping))
        await until(lambda: store.manifest.sizes()["payments"].rows == 2)
        erase = topics.command(tmp_path, "erase", "--account", "acct-1", "--by", "ann", "--json")
        assert await asyncio.to_thread(main, erase) == 0
        assert json.loads(capsys.readouterr().out)["erased"] == {"payments": 1, "labels": 1}
        await topics.publish(topics.payments, [payment(3, "acct-3")])
        await until(lambda: store.manifest.sizes()["payments"].rows == 2)
        stopping.set()
        await following
    assert faults(tmp_path) == []
    show = topics.command(tmp_path, "show", "--account", "acct-2", "--json")
    assert await asyncio.to_thread(main, show) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [each["event_id"] for each in shown["newest"]] == ["p-1"]
    assert await asyncio.to_thread(main, topics.command(tmp_path, "check")) == 0
    assert "the store is whole" in capsys.readouterr().out


async def test_a_topic_that_was_made_again_is_refused(embedded_topics: Topics, tmp_path: Path) -> None:
    topics = embedded_topics
    await topics.publish(topics.payments, [payment(0, at_ms=T0)])
    with HistoryStore(tmp_path) as store:
        await topics.follower(store).run(asyncio.Event(), once=True)
        async with admin_of(topics.brokers) as admin:
            await admin.delete_topics([topics.payments])
            await admin.create_topics([NewTopic(topics.payments, PARTITIONS, 1)])
        with pytest.raises(HistoryError, match="was made again since the history"):
            await topics.follower(store).run(asyncio.Event(), once=True)


@pytest.mark.parametrize("once", [True, False])
async def test_a_missing_topic_is_named(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path, once: bool
) -> None:
    topics = Topics(SelectedBroker(broker, False), unique_name)
    with HistoryStore(tmp_path) as store, pytest.raises(HistoryError, match=f"has no topic '{topics.payments}'"):
        await topics.follower(store).run(asyncio.Event(), once=once)
