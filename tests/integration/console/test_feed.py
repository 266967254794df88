"""The feed keeps the index on disk: cases, deletions, restarts that only catch up, a topic made anew, a rebuild."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.console.feed import CaseFeed
from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.search.disk_index import DiskIndex
from fraudstream.console.search.seen_ids import SeenIds
from fraudstream.contracts import Case
from fraudstream.kafka import Brokers
from tests.unit.console.console_app import case

WAIT_S = 60.0


class CaseTopic:
    """Writes the topic `name`, which the broker makes at the first record."""

    def __init__(self, producer: AIOKafkaProducer, name: str) -> None:
        self._producer, self.name = producer, name

    async def put(self, *cases: Case) -> None:
        for each in cases:
            await self._producer.send_and_wait(self.name, msgspec.json.encode(each), key=each.case_id.encode())

    async def delete(self, case_id: str) -> None:
        await self._producer.send_and_wait(self.name, None, key=case_id.encode())


@pytest.fixture
async def producer(broker: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        yield producer


@asynccontextmanager
async def following(
    broker: str, topic: CaseTopic, directory: Path, *, rebuild: bool = False
) -> AsyncIterator[CaseIndex]:
    """The index, once it is up to date."""
    index, live = CaseIndex(DiskIndex(directory, lambda: 0, rebuild=rebuild)), LiveChanges()
    feed = CaseFeed(Brokers(broker), topic.name, index, live, committed_only=False, fetch_wait_ms=20)
    tasks = [asyncio.create_task(feed.run()), asyncio.create_task(index.run())]
    async with asyncio.timeout(WAIT_S):
        while live.state != "live":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    yield index
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await index.close()


async def until_ids(index: CaseIndex, expected: list[str]) -> None:
    """Until the index has these cases."""
    found: list[str] = []
    try:
        async with asyncio.timeout(WAIT_S):
            while found != expected:
                await asyncio.sleep(0.02)
                page = await asyncio.to_thread(index.page, QueueQuery(status="all"), None, 50)
                found = sorted(row.case_id for row in page.rows)
    except TimeoutError:
        assert found == expected


async def test_a_restart_catches_up_and_a_rebuild_and_another_topic_begin_anew(
    broker: str,
    producer: AIOKafkaProducer,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "fraudstream.console.feed")
    topic = CaseTopic(producer, unique_name("cases"))
    await topic.put(case("a"), case("b"))
    async with following(broker, topic, tmp_path) as index:
        await until_ids(index, ["a", "b"])
        await topic.put(case("c"))
        await topic.delete("a")
        await until_ids(index, ["b", "c"])
    assert "the queue is up to date: 2 records read" in caplog.text

    caplog.clear()
    await topic.put(case("d"))
    await topic.delete("c")
    async with following(broker, topic, tmp_path) as index:
        await until_ids(index, ["b", "d"])
    assert "the queue is up to date: 2 records read" in caplog.text

    caplog.clear()
    async with following(broker, topic, tmp_path, rebuild=True) as index:
        await until_ids(index, ["b", "d"])
    assert "the queue is up to date: 6 records read" in caplog.text

    other = CaseTopic(producer, unique_name("other-cases"))
    await other.put(case("z"))
    async with following(broker, other, tmp_path) as index:
        await until_ids(index, ["z"])
    assert "the topic of cases has been made anew" in caplog.text


async def test_after_a_failure_of_the_disk_the_topic_is_read_again_from_the_last_commit(
    broker: str,
    producer: AIOKafkaProducer,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = [OSError("No space left on device")]
    see = SeenIds.see

    def fail_once(self: SeenIds, case_id: str) -> bool:
        if case_id == "b" and failures:
            raise failures.pop()
        return see(self, case_id)

    monkeypatch.setattr(SeenIds, "see", fail_once)
    topic = CaseTopic(producer, unique_name("cases"))
    await topic.put(case("a"), case("b"), case("c"))
    async with following(broker, topic, tmp_path) as index:
        await until_ids(index, ["a", "b", "c"])
    assert caplog.text.count("the index of cases cannot be written: No space left on device") == 1
