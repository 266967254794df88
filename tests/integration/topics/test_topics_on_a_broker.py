"""`fraudstream topics` on the embedded broker; on Apache Kafka, altering configs, which the embedded one cannot do."""

import json
from collections.abc import Callable

import msgspec
import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fraudstream.cli.main import main
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics, check_topics
from fraudstream.stream.topics.file import Topic, TopicsError
from tests.integration.topic_admin import admin_of
from tests.integration.topics.topics_command import command

UniqueName = Callable[[str], str]


@pytest.fixture
def topic(unique_name: UniqueName) -> Topic:
    """A declared topic that does not exist yet."""
    return Topic(unique_name("topic"), 3, 1, {"cleanup.policy": "compact", "retention.ms": "60000"})


async def create(broker: str, topic: Topic) -> None:
    """Create a topic as it is declared."""
    new = NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=topic.configs)
    async with admin_of(Brokers(broker)) as admin:
        await admin.create_topics([new])


async def config_of(broker: str, name: str) -> dict[str, str]:
    """The configs of a topic on the broker."""
    async with admin_of(Brokers(broker)) as admin:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=None)])
    entries = responses[0].to_object()["resources"][0]["config_entries"]
    return {entry["config_names"]: entry["config_value"] for entry in entries}


async def test_check_reports_missing_topics_and_creates_none(broker: str, topic: Topic) -> None:
    for _ in range(2):
        differences = await check_topics(Brokers(broker), [topic])
        assert [(d.topic, d.setting, d.found) for d in differences] == [(topic.name, "topic", None)]


async def test_apply_creates_missing_topics_as_declared(broker: str, topic: Topic) -> None:
    outcome = await apply_topics(Brokers(broker), [topic])
    assert (outcome.created, outcome.altered, outcome.remaining) == ([topic.name], [], [])
    assert await check_topics(Brokers(broker), [topic]) == []


async def test_a_second_apply_changes_nothing(broker: str, topic: Topic) -> None:
    await apply_topics(Brokers(broker), [topic])
    outcome = await apply_topics(Brokers(broker), [topic])
    assert (outcome.created, outcome.altered, outcome.remaining) == ([], [], [])


async def test_partitions_and_replication_are_reported_and_not_changed(broker: str, topic: Topic) -> None:
    await create(broker, topic)
    wanted = msgspec.structs.replace(topic, partitions=5, replication=3)
    outcome = await apply_topics(Brokers(broker), [wanted])
    assert [(d.setting, d.wanted, d.found, d.left) for d in outcome.remaining] == [
        ("partitions", "5", "3", True),
        ("replication", "3", "1", True),
    ]
    assert outcome.altered == []


async def test_min_insync_replicas_is_never_set_above_the_replicas_that_exist(broker: str, topic: Topic) -> None:
    await create(broker, topic)
    wanted = msgspec.structs.replace(topic, replication=3, configs=topic.configs | {"min.insync.replicas": "2"})
    outcome = await apply_topics(Brokers(broker), [wanted])
    assert [(d.setting, d.left) for d in outcome.remaining] == [("replication", True), ("min.insync.replicas", True)]


async def test_a_broker_that_cannot_alter_configs_is_reported(broker: str, topic: Topic) -> None:
    await create(broker, topic)
    wanted = msgspec.structs.replace(topic, configs=topic.configs | {"retention.ms": "120000"})
    outcome = await apply_topics(Brokers(broker), [wanted])
    assert outcome.altered == []
    assert [(d.setting, d.wanted, d.found) for d in outcome.remaining] == [("retention.ms", "120000", "60000")]
    assert outcome.remaining[0].note.startswith("this broker cannot alter configs")


@pytest.mark.kafka
async def test_configs_that_differ_are_set_and_undeclared_configs_stay(kafka: str, topic: Topic) -> None:
    await create(kafka, msgspec.structs.replace(topic, configs=topic.configs | {"segment.bytes": "1048576"}))
    wanted = msgspec.structs.replace(topic, configs=topic.configs | {"retention.ms": "120000"})
    outcome = await apply_topics(Brokers(kafka), [wanted])
    assert [(d.setting, d.wanted, d.found) for d in outcome.altered] == [("retention.ms", "120000", "60000")]
    assert outcome.remaining == []
    configs = await config_of(kafka, topic.name)
    assert (configs["retention.ms"], configs["segment.bytes"]) == ("120000", "1048576")


@pytest.mark.kafka
async def test_a_topic_that_the_cluster_refuses_is_reported_with_its_reason(kafka: str, topic: Topic) -> None:
    with pytest.raises(TopicsError, match=f"rejected topic '{topic.name}': .* On a single broker use --replication 1."):
        await apply_topics(Brokers(kafka), [msgspec.structs.replace(topic, replication=3)])


async def test_a_cluster_that_does_not_answer_is_reported(topic: Topic) -> None:
    with pytest.raises(TopicsError, match=r"no broker answers at 127\.0\.0\.1:1: is the cluster up"):
        await check_topics(Brokers("127.0.0.1:1"), [topic])


def test_check_fails_before_apply_and_passes_after(
    broker: str, unique_name: UniqueName, capsys: pytest.CaptureFixture[str]
) -> None:
    group = unique_name("group")
    counts = ("--replication=1", "--partitions=2")
    assert main(command(broker, group, "check", *counts)) == 1
    assert capsys.readouterr().out.startswith("TOPIC")
    assert main(command(broker, group, "apply", "--json", *counts)) == 0
    applied = json.loads(capsys.readouterr().out)
    assert len(applied["created"]) == 14
    assert f"{group}-account-state-changelog" in applied["created"]
    assert main(command(broker, group, "check", "--json", *counts)) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == []
    assert main(command(broker, group, "check", "--json", "--replication=1", "--partitions=6")) == 1
    differences = json.loads(capsys.readouterr().out)["differences"]
    assert {(d["setting"], d["wanted"], d["found"]) for d in differences} == {("partitions", "6", "2")}
    assert len(differences) == 14 - 3, "audit, controls and replies are keyed by no account"
