"""A worker does not start on a world that does not fit its memory, and says what to do."""

import asyncio

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, ChangelogRestorer
from fraudstream.stream.failure import EXIT_CODE_REFUSED, PermanentFailure
from fraudstream.stream.topics.apply import apply_topics
from fraudstream.stream.topics.file import Topic
from fraudstream.stream.worker import serve
from tests.integration.stream.world import PARTITIONS, RULES, World, engine


async def refusal(world: World, other: Engine | None = None) -> str:
    with pytest.raises(PermanentFailure) as refused:
        await serve(world.settings, other or engine(), stop=asyncio.Event())
    return refused.value.sentence


async def test_missing_topics_are_named(world: World) -> None:
    world.settings = msgspec.structs.replace(world.settings, alerts_topic="nowhere")
    assert "no topic 'nowhere'. Create the topics with `fraudstream topics apply`." in await refusal(world)


async def test_a_changelog_of_other_partitions_is_refused(world: World) -> None:
    world.settings = msgspec.structs.replace(world.settings, group=world.settings.group + "-other")
    await apply_topics(Brokers(world.broker), [Topic(world.settings.changelog_topic, PARTITIONS + 1, 1, {})])
    assert f"has {PARTITIONS} partitions, its changelog" in await refusal(world)


async def test_a_catalogue_whose_stages_have_no_topics_yet_is_refused(world: World) -> None:
    more = RULES["features.yaml"].replace("features:", "  device: {key: device_id}\nfeatures:")
    more += "  device.age: {aggregate: age}\n"
    other = Engine(compile_rule_set({**RULES, "features.yaml": more}))
    topic = f"{world.settings.group}-{world.settings.payments_topic}-by-device"
    assert f"no topic '{topic}'. Create the topics with `fraudstream topics apply`." in await refusal(world, other)


async def test_memory_of_another_catalogue_is_refused(world: World) -> None:
    await judge_some(world)
    more = RULES["features.yaml"] + "  account.countries_24h: {aggregate: distinct, of: country, window: 24h}\n"
    other = Engine(compile_rule_set({**RULES, "features.yaml": more}))
    assert "was written for another rules/features.yaml" in await refusal(world, other)


async def test_memory_with_blocks_of_other_sizes_is_refused_in_the_same_words(world: World) -> None:
    await judge_some(world)
    fewer = RULES["features.yaml"].replace("slots: 64", "slots: 5")
    assert fewer != RULES["features.yaml"]
    other = Engine(compile_rule_set({**RULES, "features.yaml": fewer}))
    assert "was written for another rules/features.yaml" in await refusal(world, other)


async def test_memory_of_a_topic_that_was_created_again_is_refused(world: World) -> None:
    await judge_some(world)
    admin = AIOKafkaAdminClient(bootstrap_servers=world.broker)
    await admin.start()
    await admin.delete_topics([world.settings.payments_topic])
    await admin.close()
    await world.create_topics()
    assert "it was created again, so its offsets mean other payments" in await refusal(world)


async def test_a_changelog_of_the_other_checkpoint_mode_is_refused(world: World) -> None:
    await judge_some(world)
    found = await world.records(world.settings.changelog_topic, lambda records: len(records) > PARTITIONS)
    restorer = ChangelogRestorer(engine().new_state(), "transaction")
    with pytest.raises(PermanentFailure, match="written in checkpoint mode 'batch'"):
        restorer.feed([record for record in found if record.key == CHECKPOINT_KEY])


async def test_a_broker_that_does_not_answer_is_waited_for_until_the_worker_is_asked_to_stop(world: World) -> None:
    worker = world.start_process("waiting", {"kafka.bootstrap_servers": "127.0.0.1:1"})
    try:
        await worker.says("no broker answers at 127.0.0.1:1, for", times=2)
        await worker.stop()
        assert "Traceback" not in worker.log.read_text()
    finally:
        worker.kill()


async def test_a_broker_without_transactions_is_told_from_apache_kafka(world: World) -> None:
    worker = world.start_process("fenced", {"worker.checkpoint_mode": "transaction"})
    try:
        assert await worker.wait() == EXIT_CODE_REFUSED
        last = worker.log.read_text().splitlines()[-1]
        assert last.startswith("fraudstream: The broker at")
        assert "has no transactions (it is no Apache Kafka). Set worker.checkpoint_mode=batch" in last
        assert "Traceback" not in worker.log.read_text()
    finally:
        worker.kill()


async def judge_some(world: World) -> None:
    async with world.worker():
        await world.publish(range(20))
        await world.decisions(20)
