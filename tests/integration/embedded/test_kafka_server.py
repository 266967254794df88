"""The embedded broker answers as Kafka does, through aiokafka and through the bare protocol. `deploy/clients/run.sh`
runs the clients of other languages."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.errors import OffsetOutOfRangeError, TransactionalIdAuthorizationFailed

from fraudstream.kafka import Brokers
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.topic_admin import admin_of

UniqueName = Callable[[str], str]
API_VERSIONS = 18
UNSUPPORTED_VERSION = 35


async def create(servers: str, topic: str, partitions: int = 1) -> None:
    async with admin_of(Brokers(servers)) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1)])


def ask(servers: str, key: int, version: int, body: bytes) -> bytes:
    """The answer to a request of client `test`, without its length."""
    host, port = servers.split(":")
    frame = struct.pack(">hhih", key, version, 42, 4) + b"test" + body
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        with connection.makefile("rb") as answer:
            (length,) = struct.unpack(">i", answer.read(4))
            return answer.read(length)


@on_both_brokers
@pytest.mark.parametrize(("version", "error"), [(0, 0), (3, 0), (77, UNSUPPORTED_VERSION)])
def test_api_versions_are_answered_in_the_old_header_and_unknown_ones_in_version_0(
    selected_broker: SelectedBroker, version: int, error: int
) -> None:
    body = b"\0\x05test\x021\0" if version >= 3 else b""  # tags, name and version of the client, tags
    answer = ask(selected_broker.servers, API_VERSIONS, version, body)
    assert struct.unpack_from(">ih", answer) == (42, error), "no tags between correlation id and body"
    if version != 3:
        (count,) = struct.unpack_from(">i", answer, 6)
        assert len(answer) >= 10 + 6 * count


@on_both_brokers
async def test_a_fetch_that_waits_is_answered_by_the_next_record(
    selected_broker: SelectedBroker, unique_name: UniqueName
) -> None:
    topic, servers = unique_name("payments"), selected_broker.servers
    await create(servers, topic)
    tp = TopicPartition(topic, 0)
    async with (
        AIOKafkaProducer(bootstrap_servers=servers) as producer,
        AIOKafkaConsumer(bootstrap_servers=servers, fetch_max_wait_ms=30_000, request_timeout_ms=40_000) as consumer,
    ):
        consumer.assign([tp])
        consumer.seek(tp, 0)
        waiting = asyncio.create_task(consumer.getone())
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await producer.send_and_wait(topic, b"payment", partition=0)
        assert (await asyncio.wait_for(waiting, 10)).value == b"payment"


@on_both_brokers
async def test_the_end_of_a_partition_is_behind_its_last_record(
    selected_broker: SelectedBroker, unique_name: UniqueName
) -> None:
    topic, servers = unique_name("payments"), selected_broker.servers
    await create(servers, topic)
    tp = TopicPartition(topic, 0)
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=20) as producer:
        await asyncio.gather(*[await producer.send(topic, b"%d" % n, partition=0) for n in range(100)])
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        assert (await consumer.beginning_offsets([tp]), await consumer.end_offsets([tp])) == ({tp: 0}, {tp: 100})


@on_both_brokers
async def test_an_idempotent_producer_s_records_are_kept_in_order(
    selected_broker: SelectedBroker, unique_name: UniqueName
) -> None:
    topic, servers = unique_name("payments"), selected_broker.servers
    await create(servers, topic)
    async with AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True) as producer:
        sent = [await producer.send_and_wait(topic, b"payment", partition=0) for _ in range(20)]
    assert [record.offset for record in sent] == list(range(20))


@on_both_brokers
async def test_deleted_records_are_out_of_range(selected_broker: SelectedBroker, unique_name: UniqueName) -> None:
    topic, servers = unique_name("payments"), selected_broker.servers
    await create(servers, topic)
    tp = TopicPartition(topic, 0)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for _ in range(3):
            await producer.send_and_wait(topic, b"payment", partition=0)
    async with admin_of(Brokers(servers)) as admin:
        await admin.delete_records({tp: RecordsToDelete(before_offset=2)})
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="none") as consumer:
        consumer.assign([tp])
        assert await consumer.beginning_offsets([tp]) == {tp: 2}
        consumer.seek(tp, 1)
        with pytest.raises(OffsetOutOfRangeError):
            await consumer.getone()


@on_both_brokers
async def test_a_topic_created_again_under_its_name_is_empty_and_another_topic(
    selected_broker: SelectedBroker, unique_name: UniqueName
) -> None:
    topic, servers = unique_name("payments"), selected_broker.servers
    await create(servers, topic)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait(topic, b"payment", partition=0)
    async with admin_of(Brokers(servers)) as admin:
        await admin.delete_topics([topic])
    await asyncio.sleep(1)
    await create(servers, topic)
    tp = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        assert await consumer.end_offsets([tp]) == {tp: 0}


@on_both_brokers
async def test_members_of_a_group_share_partitions_and_resume_where_it_has_committed(
    selected_broker: SelectedBroker, unique_name: UniqueName
) -> None:
    topic, servers, group = unique_name("payments"), selected_broker.servers, unique_name("group")
    await create(servers, topic, partitions=4)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for number in range(8):
            await producer.send_and_wait(topic, b"%d" % number, partition=number % 4)

    def member() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
        )

    async with member() as first:
        seen = [(await first.getone()).value for _ in range(8)]
        await first.commit()
        async with member() as second, asyncio.timeout(30):
            while len(first.assignment()) != 2 or len(second.assignment()) != 2:
                await first.getmany(timeout_ms=100)
                await second.getmany(timeout_ms=100)
            assert not first.assignment() & second.assignment()
    assert sorted(seen) == [b"%d" % number for number in range(8)]
    async with member() as third:
        assert await third.getmany(timeout_ms=1_000) == {}, "all was committed"


async def test_a_transactional_id_is_refused_at_once(broker: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker, transactional_id="checkout")
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await asyncio.wait_for(producer.start(), 10)
    await producer.stop()


def test_a_request_that_is_not_served_closes_its_connection_alone(broker: str) -> None:
    with pytest.raises(struct.error):
        ask(broker, 900, 0, b"")
    assert ask(broker, API_VERSIONS, 0, b"")
