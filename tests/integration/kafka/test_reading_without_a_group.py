"""Topics are read to their end without a consumer group on Apache Kafka, where aiokafka knows no partition of a topic
that it has not asked for."""

from fraudstream.contracts.control import StoredRuleSet
from fraudstream.kafka.partitions import partitions_of
from fraudstream.operations.dead_letters import DeadLetterLog
from fraudstream.stream.control_log import keep, read_controls
from tests.brokers import on_kafka
from tests.integration.stream.cluster import PARTITIONS, StreamCluster

pytestmark = on_kafka


async def test_partitions_of_a_topic_are_known_to_a_client_that_never_used_it(cluster: StreamCluster) -> None:
    assert await partitions_of(cluster.brokers, cluster.settings.payments_topic) == list(range(PARTITIONS))
    assert await partitions_of(cluster.brokers, "no-such-topic") == []


async def test_kept_controls_are_read_back(cluster: StreamCluster) -> None:
    stored = StoredRuleSet(rule_set="0" * 16, files={"features.yaml": "version: 1\n"})
    await keep(cluster.settings, [stored])
    assert (await read_controls(cluster.settings)).rule_sets == {stored.rule_set: stored.files}


async def test_dead_letters_are_listed(cluster: StreamCluster) -> None:
    async with cluster.worker():
        await cluster.publish_records([(b"a1", b"no payment")])
        await cluster.dead_letters(1)
    log = DeadLetterLog(cluster.brokers, cluster.settings.dead_letters_topic)
    listed = [stored async for stored in log.letters()]
    assert [stored.letter.value for stored in listed] == [b"no payment"]
    assert (await log.letter(listed[0].position)).letter == listed[0].letter
