"""Topics that are read whole, without a group, on Apache Kafka: aiokafka knew no partition there, so nothing was
read."""

import pytest

from fraudstream.contracts.control import StoredRuleSet
from fraudstream.kafka.partitions import partitions_of
from fraudstream.operations.dead_letters import DeadLetterLog
from fraudstream.stream.control_log import keep, read_controls
from tests.integration.stream.world import PARTITIONS, World

pytestmark = pytest.mark.kafka


async def test_a_topic_s_partitions_are_known_to_who_never_asked_for_it(world: World) -> None:
    assert await partitions_of(world.brokers, world.settings.payments_topic) == list(range(PARTITIONS))
    assert await partitions_of(world.brokers, "no-such-topic") == []


async def test_kept_controls_are_read_back(world: World) -> None:
    stored = StoredRuleSet(rule_set="0" * 16, files={"features.yaml": "version: 1\n"})
    await keep(world.settings, [stored])
    assert (await read_controls(world.settings)).rule_sets == {stored.rule_set: stored.files}


async def test_dead_letters_are_listed(world: World) -> None:
    async with world.worker():
        await world.publish_records([(b"a1", b"no payment")])
        await world.dead_letters(1)
    log = DeadLetterLog(world.brokers, world.settings.dead_letters_topic)
    listed = [stored async for stored in log.letters()]
    assert [stored.letter.value for stored in listed] == [b"no payment"]
    assert (await log.letter(listed[0].position)).letter == listed[0].letter
