"""Reading `cases` back: a whole partition, in order, within the time limit. The consumer is a stand-in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.record import Position, case_record
from fraudstream.cases.store import CaseStore
from fraudstream.kafka import Brokers
from fraudstream.kafka.stall_detector import StalledError
from fraudstream.kafka.topic_reader import ReportProgress, TopicReader
from tests.unit.cases.events import alert
from tests.unit.kafka.fake_consumer import FakeConsumer, Record, SilentConsumer, record

TOPIC, TP = "cases", TopicPartition("cases", 0)
LIMIT_S = 0.05


def case_log(new_consumer: Callable[[], FakeConsumer]) -> CaseLog:
    def open_reader(progress: ReportProgress | None) -> TopicReader:
        return TopicReader(
            Brokers("b:1"), committed_only=True, progress=progress, limit_s=LIMIT_S, consumer=new_consumer()
        )

    return CaseLog(Brokers("b:1"), TOPIC, 5, committed_only=True, open_reader=open_reader)


def written() -> list[Record]:
    """A record that is not a case, then a case after one alert and after two."""
    store, records = CaseStore(), [record(TOPIC, 0, 0)]
    for offset in (1, 2):
        held = store.alert(alert(f"a{offset}"), None)
        assert held is not None
        made = case_record(TOPIC, 0, held, Position(alerts=offset))
        records.append(ConsumerRecord(TOPIC, 0, offset, 0, 0, made.key, made.value, None, 0, 0, tuple(made.headers)))
    return records


async def test_a_partition_is_restored_with_its_position_and_what_is_not_a_case_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shares: list[float] = []
    with caplog.at_level(logging.ERROR):
        store, position, end = await case_log(lambda: FakeConsumer({TP: written()}, per_fetch_max=2)).restore(
            0, shares.append
        )
    assert [held.case.alert_count for held in store] == [2]
    assert (position, end) == (Position(alerts=2), 3)
    assert shares == [0.0, 2 / 3]
    assert "cases-0: offset 0 is not a case" in caplog.text


@pytest.mark.parametrize("silent", ["beginning_offsets", "end_offsets", "getmany", "position"])
async def test_brokers_that_never_answer_end_the_reading(silent: str) -> None:
    silent_log = case_log(lambda: SilentConsumer({TP: written()}, silent))
    async with asyncio.timeout(5):
        with pytest.raises(StalledError):
            await silent_log.restore(0, lambda share: None)
        if silent != "position":
            with pytest.raises(StalledError):
                await silent_log.end(0)
