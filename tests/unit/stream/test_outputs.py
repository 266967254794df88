"""How records are packed into batches and to which partition they go. Batches are aiokafka's, without a broker."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaTimeoutError

from fraudstream.contracts.headers import source_header
from fraudstream.kafka.record_batch.outgoing import OutgoingRecords, join_records, pack_records
from fraudstream.kafka.record_batch.writer import WrittenRecords
from fraudstream.stream.outputs import Acknowledgement, Departures, Output
from tests.unit.stream.in_memory import sent_records

BATCH_BYTES = 1000


class Broker:
    """A `RecordSender` that acknowledges batches while `open`."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int, list[tuple[bytes | None, bytes | None]]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refuses = False

    @property
    def batch_bytes_max(self) -> int:
        return BATCH_BYTES

    async def send_batch(self, batch: WrittenRecords, topic: str, partition: int) -> None:
        await self.open.wait()
        if self.refuses:
            raise KafkaTimeoutError
        self.batches.append((topic, partition, [(record.key, record.value) for record in sent_records(batch)]))


def output_records(count: int, size: int = 10, start: int = 0) -> OutgoingRecords:
    return pack_records([(b"k%d" % n, b"v" * size, [source_header(0, n)]) for n in range(start, start + count)], 0)


async def test_what_outgrows_a_batch_goes_into_the_next_and_nothing_is_left_out() -> None:
    broker = Broker()
    output = Output("decisions", 4, aligned=True, sender=broker, departures=Departures())
    await asyncio.gather(*output.send(2, output_records(300)))
    assert len(broker.batches) > 1
    assert {(topic, partition) for topic, partition, _ in broker.batches} == {("decisions", 2)}
    keys = [key for _, _, records in broker.batches for key, _ in records]
    assert keys == [b"k%d" % n for n in range(300)]


async def test_a_record_larger_than_a_batch_goes_alone() -> None:
    broker = Broker()
    output = Output("alerts", 4, aligned=True, sender=broker, departures=Departures())
    large = output_records(1, size=50 * BATCH_BYTES, start=1)
    records = join_records([output_records(1), large, output_records(1, start=2)])
    await asyncio.gather(*output.send(0, records))
    assert [[key for key, _ in records] for _, _, records in broker.batches] == [[b"k0"], [b"k1"], [b"k2"]]


async def test_what_comes_while_the_broker_is_slow_joins_one_batch_in_order() -> None:
    broker = Broker()
    output = Output("decisions", 4, aligned=True, sender=broker, departures=Departures())
    broker.open.clear()
    waits = set()
    for n in range(10):
        waits |= output.send(1, output_records(1, start=n))
        await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)
    broker.open.set()
    await asyncio.gather(*waits)
    assert [key for _, _, records in broker.batches for key, _ in records] == [b"k%d" % n for n in range(10)]
    assert len(broker.batches) == 2


async def test_what_is_to_leave_together_leaves_in_one_batch_and_only_then() -> None:
    broker = Broker()
    departures = Departures()
    output = Output("next", 1, aligned=False, sender=broker, departures=departures)
    with departures.together():
        first = output.send(0, output_records(1))
        await asyncio.sleep(0.01)
        assert broker.batches == []
        second = output.send(1, output_records(1, start=1))
    await asyncio.gather(*first, *second)
    assert [[key for key, _ in records] for _, _, records in broker.batches] == [[b"k0", b"k1"]]


async def test_an_error_while_outputs_wait_lets_them_leave() -> None:
    broker = Broker()
    departures = Departures()
    output = Output("next", 1, aligned=False, sender=broker, departures=departures)

    def failing_step() -> None:
        with departures.together():
            waits.update(output.send(0, output_records(1)))
            raise ValueError("of the engine")

    waits = set[Acknowledgement]()
    with pytest.raises(ValueError, match="of the engine"):
        failing_step()
    await asyncio.gather(*waits)
    assert len(broker.batches) == 1


async def test_with_another_partition_count_the_key_decides_and_keeps_its_order() -> None:
    broker = Broker()
    output = Output("decisions", 3, aligned=False, sender=broker, departures=Departures())
    records = [(b"k%d" % (n % 7), b"%d" % n, [source_header(0, n)]) for n in range(70)]
    await asyncio.gather(*output.send(3, pack_records(records, 0)))
    by_key: dict[bytes, list[int]] = {}
    partitions: dict[bytes, set[int]] = {}
    for _, partition, sent in broker.batches:
        for key, value in sent:
            assert key is not None
            assert value is not None
            by_key.setdefault(key, []).append(int(value))
            partitions.setdefault(key, set()).add(partition)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert all(len(found) == 1 for found in partitions.values())
    assert len(by_key) == 7


async def test_a_batch_that_was_refused_fails_its_acknowledgement() -> None:
    broker = Broker()
    output = Output("decisions", 4, aligned=True, sender=broker, departures=Departures())
    broker.refuses = True
    waits = output.send(0, output_records(5))
    with pytest.raises(KafkaTimeoutError):
        await asyncio.gather(*waits)


async def test_nothing_follows_a_batch_that_failed_in_its_partition() -> None:
    """A reader that drops offsets not above the highest seen would never take records that are sent again."""
    broker = Broker()
    output = Output("next", 1, aligned=True, sender=broker, departures=Departures())
    broker.refuses = True
    first = output.send(0, output_records(1))
    with pytest.raises(KafkaTimeoutError):
        await asyncio.gather(*first)
    broker.refuses = False
    second = output.send(0, output_records(1, start=1))
    with pytest.raises(KafkaTimeoutError):
        await asyncio.gather(*second)
    assert broker.batches == []
