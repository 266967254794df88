"""`topics check` finds out which partitioner the publishers of payments use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable

import pytest
from aiokafka import AIOKafkaProducer

from fraudstream.cli.main import main
from fraudstream.contracts.headers import CONTROL_HEADER, REPARTITIONED_HEADER
from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.operations.publisher_placement import PublisherPlacement, sample_placement
from fraudstream.stream.topics.file import Topic
from tests.brokers import SelectedBroker, on_both_brokers

PARTITIONS = 6
KEYS = [f"acct-{n}".encode() for n in range(40)]


class Payments:
    """A topic of payments."""

    def __init__(self, servers: str, name: str) -> None:
        self.brokers, self.name = Brokers(servers), name

    async def publish(
        self, partitioner: Partitioner, keys: Iterable[bytes] = KEYS, partitions: int = PARTITIONS
    ) -> None:
        """A record of each key, where a publisher puts it that sees `partitions` partitions."""
        async with AIOKafkaProducer(**self.brokers.options()) as producer:
            for key in keys:
                number = int(partitions_for([key], partitions, partitioner)[0])
                await producer.send_and_wait(self.name, b"{}", key, number)

    async def placement(self, declared: Partitioner = "murmur2") -> PublisherPlacement:
        found = await sample_placement(self.brokers, self.name, declared)
        assert found is not None
        return found


@pytest.fixture
async def payments(selected_broker: SelectedBroker, unique_name: Callable[[str], str]) -> Payments:
    topic = Payments(selected_broker.servers, unique_name("payments"))
    await apply_topics(topic.brokers, [Topic(topic.name, PARTITIONS, 1, {})])
    return topic


@on_both_brokers
async def test_publishers_of_one_partitioner_are_in_order(payments: Payments) -> None:
    await payments.publish("murmur2")
    found = await payments.placement()
    assert (found.records, found.misplaced) == (len(KEYS), 0)
    assert str(found).endswith("are in the partitions that murmur2 gives their keys.")


@on_both_brokers
async def test_a_second_partitioner_is_named_with_its_share(payments: Payments) -> None:
    await payments.publish("murmur2")
    await payments.publish("consistent_random")
    found = await payments.placement()
    assert found.fitting["consistent_random"] >= len(KEYS)
    assert found.misplaced == 2 * len(KEYS) - found.fitting["murmur2"] > 0
    assert "Give all publishers one partitioner (librdkafka: partitioner=murmur2_random)." in str(found)


@on_both_brokers
async def test_publishers_that_all_use_another_one_are_told_to_declare_it(payments: Payments) -> None:
    await payments.publish("fnv1a_random")
    assert "All publishers use fnv1a_random: set publishers.partitioner to it." in str(await payments.placement())


@on_both_brokers
async def test_records_from_before_the_topic_was_given_partitions_are_recognised(payments: Payments) -> None:
    await payments.publish("murmur2", partitions=4)
    await payments.publish("murmur2", KEYS[:5])
    found = await payments.placement()
    assert found.fewer_partitions == 4
    assert "published when the topic had 4 partitions" in str(found)


@on_both_brokers
async def test_controls_copies_and_records_without_a_key_do_not_count(payments: Payments) -> None:
    async with AIOKafkaProducer(**payments.brokers.options()) as producer:
        for number in range(PARTITIONS):
            await producer.send_and_wait(payments.name, b"{}", None, number)
            await producer.send_and_wait(payments.name, b"{}", b"a", number, headers=[CONTROL_HEADER])
            await producer.send_and_wait(payments.name, b"{}", b"a", number, headers=[(REPARTITIONED_HEADER, b"0:1")])
    assert await sample_placement(payments.brokers, payments.name, "murmur2") is None


@on_both_brokers
def test_the_command_fails_if_accounts_are_split(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    group = unique_name("group")
    names = (
        *("payments", "labels", "decisions", "alerts", "dead_letters", "controls"),
        *("cases", "case_actions", "case_answers", "notices", "notice_answers", "audit", "replies"),
    )
    flags = [f"--set=topics.{name}={group}-{name}" for name in names]
    flags += [f"--bootstrap-servers={selected_broker.servers}", f"--set=worker.group={group}", "--replication=1"]
    flags += [f"--partitions={PARTITIONS}", "--json"]
    assert main(["topics", "apply", *flags]) == 0
    assert main(["topics", "check", *flags]) == 0
    asyncio.run(Payments(selected_broker.servers, f"{group}-payments").publish("consistent_random"))
    assert main(["topics", "check", *flags, "--set=publishers.partitioner=consistent_random"]) == 0
    capsys.readouterr()
    assert main(["topics", "check", *flags]) == 1
    assert json.loads(capsys.readouterr().out)["publishers"]["fitting"]["consistent_random"] == len(KEYS)
