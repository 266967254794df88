"""On brokers that stop answering explain, and `cases show`, end with `StalledError`. The consumer is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from fraudstream.cli.rule_files import load_rule_set
from fraudstream.contracts.headers import SOURCE_HEADER
from fraudstream.controls.topic import ControlsTopic
from fraudstream.engine.engine import Engine
from fraudstream.explain.located_record import locate_record
from fraudstream.explain.rerun import rerun_payment
from fraudstream.explain.sent import LogPosition, find_alert, find_alerts, find_decision
from fraudstream.kafka import Brokers
from fraudstream.kafka.stall_detector import StalledError
from fraudstream.kafka.topic_reader import TopicReader
from tests.unit.cases.events import alert
from tests.unit.kafka.fake_consumer import FakeConsumer, Record, SilentConsumer, lister

TP = TopicPartition("alerts", 0)
REQUESTS = ["beginning_offsets", "end_offsets", "getmany", "position"]


def alert_record(offset: int, alert_id: str) -> Record:
    value = msgspec.json.encode(alert(alert_id))
    return ConsumerRecord("alerts", 0, offset, 0, 0, None, value, None, 0, len(value), ((SOURCE_HEADER, b"0:7"),))


def reader_of(consumer: FakeConsumer) -> TopicReader:
    return TopicReader(Brokers("b:1"), committed_only=False, limit_s=0.05, consumer=consumer, list_partitions=lister(0))


CONTROLS = ControlsTopic(Brokers("127.0.0.1:1"))


async def alert_by_id(reader: TopicReader) -> object:
    return await find_alert(reader, "alerts", "a2", None)


async def alerts_of_a_case(reader: TopicReader) -> object:
    return await find_alerts(reader, "alerts", 0, ["a2"])


async def decision_of_an_event(reader: TopicReader) -> object:
    return await find_decision(reader, "alerts", "event-of-a2", "acc-1", None)


async def payment_at_a_position(reader: TopicReader) -> object:
    return await locate_record(reader, "alerts", LogPosition(0, 1))


async def payment_again(reader: TopicReader) -> object:
    return await rerun_payment(
        reader, "alerts", LogPosition(0, 1), Engine(load_rule_set(Path("examples/account_only"))), CONTROLS
    )


@pytest.mark.parametrize("silent", REQUESTS)
@pytest.mark.parametrize(
    "read", [alert_by_id, alerts_of_a_case, decision_of_an_event, payment_at_a_position, payment_again]
)
async def test_a_read_of_explain_ends_on_brokers_that_never_answer(
    read: Callable[[TopicReader], Awaitable[object]], silent: str
) -> None:
    consumer = SilentConsumer({TP: [alert_record(0, "a1"), alert_record(1, "a2")]}, silent)
    async with asyncio.timeout(20), reader_of(consumer) as reader:
        with pytest.raises(StalledError, match=r"within 0\.05 s"):
            await read(reader)


async def test_the_alerts_of_a_case_are_found_on_brokers_that_answer() -> None:
    consumer = FakeConsumer({TP: [alert_record(0, "a1"), alert_record(1, "a2"), alert_record(2, "a3")]})
    async with reader_of(consumer) as reader:
        found = await find_alerts(reader, "alerts", 0, ["a1", "a3", "a9"])
    assert sorted(found) == ["a1", "a3"]
