"""A worker refuses to start where topics or broker do not fit its state or settings, and says what to do."""

import asyncio

import msgspec
import pytest

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, ChangelogRestorer
from fraudstream.stream.failure import EXIT_CODE_REFUSED, PermanentFailure
from fraudstream.stream.topics.file import Topic
from fraudstream.stream.worker import serve
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.rules import RULES, engine
from tests.integration.topic_admin import delete_topics


async def refusal(cluster: StreamCluster, other: Engine | None = None) -> str:
    """The message with which a worker of this engine refuses to start."""
    with pytest.raises(PermanentFailure) as refused:
        await serve(cluster.settings, other or engine(), stop=asyncio.Event())
    return refused.value.sentence


async def test_missing_topics_are_named(cluster: StreamCluster) -> None:
    cluster.settings = msgspec.structs.replace(cluster.settings, alerts_topic="nowhere")
    assert "no topic 'nowhere'. Create the topics with `fraudstream topics apply`." in await refusal(cluster)


async def test_a_changelog_of_other_partitions_is_refused(cluster: StreamCluster) -> None:
    cluster.settings = msgspec.structs.replace(cluster.settings, group=cluster.settings.group + "-other")
    await apply_topics(Brokers(cluster.broker), [Topic(cluster.settings.changelog_topic, PARTITIONS + 1, 1, {})])
    assert f"has {PARTITIONS} partitions, its changelog" in await refusal(cluster)


async def test_a_catalogue_whose_stages_have_no_topics_yet_is_refused(cluster: StreamCluster) -> None:
    more = RULES["features.yaml"].replace("features:", "  device: {key: device_id}\nfeatures:")
    more += "  device.age: {aggregate: age}\n"
    other = Engine(compile_rule_set({**RULES, "features.yaml": more}))
    topic = f"{cluster.settings.group}-{cluster.settings.payments_topic}-by-device"
    assert f"no topic '{topic}'. Create the topics with `fraudstream topics apply`." in await refusal(cluster, other)


async def test_state_of_another_catalogue_is_refused(cluster: StreamCluster) -> None:
    await decide_some(cluster)
    more = RULES["features.yaml"] + "  account.countries_24h: {aggregate: distinct, of: country, window: 24h}\n"
    other = Engine(compile_rule_set({**RULES, "features.yaml": more}))
    assert "was written for another rules/features.yaml" in await refusal(cluster, other)


async def test_state_with_blocks_of_other_sizes_is_refused_by_the_same_message(cluster: StreamCluster) -> None:
    await decide_some(cluster)
    fewer = RULES["features.yaml"].replace("slots: 64", "slots: 5")
    assert fewer != RULES["features.yaml"]
    other = Engine(compile_rule_set({**RULES, "features.yaml": fewer}))
    assert "was written for another rules/features.yaml" in await refusal(cluster, other)


async def test_state_of_a_topic_that_was_created_again_is_refused(cluster: StreamCluster) -> None:
    await decide_some(cluster)
    await delete_topics(cluster.brokers, cluster.settings.payments_topic)
    await cluster.create_topics()
    assert "it was created again, so its offsets refer to other payments" in await refusal(cluster)


async def test_a_changelog_of_the_other_checkpoint_mode_is_refused(cluster: StreamCluster) -> None:
    await decide_some(cluster)
    found = await cluster.records(cluster.settings.changelog_topic, lambda records: len(records) > PARTITIONS)
    restorer = ChangelogRestorer(engine().new_state(), "transaction")
    with pytest.raises(PermanentFailure, match="written in checkpoint mode 'batch'"):
        restorer.feed([record for record in found if record.key == CHECKPOINT_KEY])


async def test_a_broker_that_does_not_answer_is_waited_for_until_the_worker_is_asked_to_stop(
    cluster: StreamCluster,
) -> None:
    worker = cluster.start_process("waiting", {"kafka.bootstrap_servers": "127.0.0.1:1"})
    try:
        await worker.logs("no broker answers at 127.0.0.1:1, for", times=2)
        await worker.stop()
        assert "Traceback" not in worker.log.read_text()
    finally:
        worker.kill()


async def test_the_mode_transaction_is_refused_on_a_broker_without_transactions(cluster: StreamCluster) -> None:
    worker = cluster.start_process("fenced", {"worker.checkpoint_mode": "transaction"})
    try:
        assert await worker.wait() == EXIT_CODE_REFUSED
        last = worker.log.read_text().splitlines()[-1]
        assert last.startswith("fraudstream: The broker at")
        assert "does not support transactions (it is not Apache Kafka). Set worker.checkpoint_mode=batch" in last
        assert "Traceback" not in worker.log.read_text()
    finally:
        worker.kill()


async def decide_some(cluster: StreamCluster) -> None:
    """Run a worker until 20 payments are decided."""
    async with cluster.worker():
        await cluster.publish(range(20))
        await cluster.decisions(20)
