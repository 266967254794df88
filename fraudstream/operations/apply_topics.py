"""Compares the topics of a cluster with the topics file, creates missing ones and sets configs that differ.

`apply_topics` never deletes a topic, never changes its partition count (keys would move to other partitions, away from
the state of their accounts) and never its replication (reassignment is up to an operator): it reports those
differences.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from fraudstream.kafka import Brokers
from fraudstream.kafka.connection_diagnosis import unreachable
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.permissions import not_allowed
from fraudstream.kafka.topic_metadata import topic_metadata
from fraudstream.stream.topics.file import Topic, TopicsError

SETTLED_WITHIN_S = 15.0  # brokers learn of a change in well under a second
_ALREADY_EXISTS = 36
_APPLY = "fraudstream topics apply"
_PARTITIONS_LEFT = "not changed: accounts would move away from their state. Set topics.partitions, or create new topics"
_COUNT_LEFT = "not changed: create the topic again, or add partitions with the cluster's own tool"
_REPLICATION_LEFT = "not changed: reassign the partitions with the cluster's own tool, or set topics.replication"
_INSYNC_LEFT = "not changed: with a value above the replication every write would be rejected"
_SET_ON_TOPIC = 1  # config_source of DescribeConfigs: set on the topic itself, not the cluster's value or a default


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """A difference between a topic and the topics file.

    `setting`: 'topic', 'partitions', 'replication' or the name of a config. `wanted`, `found`: its values, `found` None
    if it is missing. `left`: `apply_topics` does not change it. `note`: why, or what to do.
    """

    topic: str
    setting: str
    wanted: str
    found: str | None
    note: str = ""
    left: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """The topics that `apply_topics` created, the differences that it removed, and those that remain."""

    created: list[str]
    altered: list[Difference]
    remaining: list[Difference]


async def check_topics(brokers: Brokers, topics: Sequence[Topic]) -> list[Difference]:
    """The differences between the cluster and `topics`. Raises `TopicsError` if the cluster does not answer or rejects
    the request."""
    return topic_differences(topics, await found_topics(brokers, topics))


async def found_topics(brokers: Brokers, topics: Sequence[Topic]) -> dict[str, FoundTopic]:
    """Those of `topics` that are on the cluster, by name. Raises `TopicsError` as `check_topics`."""
    async with _admin(brokers) as admin:
        await _check_hidden(brokers, admin, topics)
        return await _found(admin, topics)


async def apply_topics(brokers: Brokers, topics: Sequence[Topic]) -> Outcome:
    """Create missing topics, set configs that differ, report the rest.

    Safe to repeat, and to run at the same time elsewhere. Raises `TopicsError` if the cluster does not answer or
    rejects a topic.
    """
    async with _admin(brokers) as admin:
        await _check_hidden(brokers, admin, topics)
        found = await _found(admin, topics)
        missing = [topic for topic in topics if topic.name not in found]
        if missing:
            await _create(admin, missing)
            found = await _found_once(admin, topics, lambda found: len(found) == len(topics))
        differing = [d for d in topic_differences(topics, found) if not d.left and d.topic in found]
        rejections = {}
        for name in dict.fromkeys(difference.topic for difference in differing):
            wanted = {d.setting: d.wanted for d in differing if d.topic == name}
            rejections[name] = await _alter(admin, name, wanted, found[name])
        altered = [difference for difference in differing if not rejections[difference.topic]]
        found = await _found_once(admin, topics, lambda found: not set(altered) & set(topic_differences(topics, found)))
        remaining = topic_differences(topics, found)
    return Outcome(
        created=[topic.name for topic in missing],
        altered=altered,
        remaining=[
            difference
            if difference.left
            else msgspec.structs.replace(difference, note=rejections.get(difference.topic) or difference.note)
            for difference in remaining
        ],
    )


class FoundTopic(msgspec.Struct):
    """A topic on the cluster. `configs`: by name, the value and whether it is set on the topic itself. `lacking`: the
    numbers of the partitions of which a replica is out of sync."""

    partitions: int
    replication: int
    configs: dict[str, tuple[str, bool]]
    lacking: tuple[int, ...] = ()

    def config(self, name: str) -> str | None:
        """The value in force; None if the broker does not report it."""
        return self.configs[name][0] if name in self.configs else None


class _NotAllowed(Exception):
    """An ACL is missing. The message names operation, kind of resource and resource."""


@asynccontextmanager
async def _admin(brokers: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, closed when the block ends. Raises `TopicsError` for errors of the cluster in the block."""
    admin = AIOKafkaAdminClient(**brokers.options(), client_id="fraudstream-topics")
    try:
        await admin.start()
        yield admin
    except KafkaConnectionError as error:
        raise TopicsError(await unreachable(brokers)) from error
    except (KafkaError, OSError) as error:
        raise TopicsError(f"the cluster at {brokers} rejected a request: {kafka_error_text(error)}.") from error
    except _NotAllowed as error:
        raise TopicsError(not_allowed(brokers, str(error))) from error
    finally:
        await admin.close()


async def _check_hidden(brokers: Brokers, admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Raises `_NotAllowed` for a topic that we may not describe, as it would look like a missing one."""
    if brokers.guarded:
        metadata = await topic_metadata(admin._client, [topic.name for topic in topics])
        if hidden := [f"'{name}'" for name, topic in metadata.items() if topic.hidden]:
            raise _NotAllowed(f"DESCRIBE topic {', '.join(hidden)}")


async def _found(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, FoundTopic]:
    """Those of `topics` that are on the cluster, by name."""
    # All topics, not ours by name: a metadata request that names a missing topic may create it.
    described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    names = [topic.name for topic in topics if topic.name in described]
    configs = await _configs(admin, names) if names else {}
    return {
        name: FoundTopic(
            partitions=len(described[name]),
            replication=min(len(partition["replicas"]) for partition in described[name]),
            configs=configs[name],
            lacking=tuple(
                partition["partition"]
                for partition in described[name]
                if len(partition.get("isr", partition["replicas"])) < len(partition["replicas"])
            ),
        )
        for name in names
        if name in configs
    }


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, tuple[str, bool]]]:
    """The configs of these topics, by topic and config: the value and whether it is set on the topic itself."""
    # All keys at once: one request, whatever the topics declare.
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=None) for name in names]
    configs = {}
    for response in await admin.describe_configs(resources):
        for resource in response.to_object()["resources"]:
            if for_code(resource["error_code"]) is TopicAuthorizationFailedError:
                raise _NotAllowed(f"DESCRIBE_CONFIGS topic '{resource['resource_name']}'")
            if for_code(resource["error_code"]) is UnknownTopicOrPartitionError:
                continue  # just created, and not known to this broker yet: treated as missing
            if resource["error_code"]:
                raise TopicsError(
                    f"the cluster does not return the configs of '{resource['resource_name']}': "
                    f"{resource['error_message'] or resource['error_code']}."
                )
            configs[resource["resource_name"]] = {
                entry["config_names"]: (entry["config_value"], entry.get("config_source") == _SET_ON_TOPIC)
                for entry in resource["config_entries"]
            }
    return configs


async def _found_once(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], settled: Callable[[Mapping[str, FoundTopic]], bool]
) -> dict[str, FoundTopic]:
    """The topics on the cluster once they have `settled`, or after `SETTLED_WITHIN_S`, as brokers learn of a change
    late."""
    deadline = asyncio.get_running_loop().time() + SETTLED_WITHIN_S
    while True:
        found = await _found(admin, topics)
        if settled(found) or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(0.1)


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Create topics. Raises `TopicsError`, `_NotAllowed`."""
    response = await admin.create_topics(
        [NewTopic(t.name, t.partitions, t.replication, topic_configs=dict(t.configs)) for t in topics]
    )
    for name, code, *message in response.topic_errors:
        if for_code(code) is TopicAuthorizationFailedError:
            raise _NotAllowed(f"CREATE topic '{name}'")
        if code not in (0, _ALREADY_EXISTS):  # another process may have created it meanwhile
            reason = message[0] if message and message[0] else f"error {code}"
            raise TopicsError(
                f"the cluster rejected topic '{name}': {reason.rstrip('.')}. On a single broker use --replication 1."
            )


async def _alter(admin: AIOKafkaAdminClient, name: str, wanted: Mapping[str, str], found: FoundTopic) -> str:
    """Set configs of one topic; the broker's reason if it rejects them, else ''. Raises `_NotAllowed`."""
    # The request replaces every config that is set on the topic, so repeat those that are not to change.
    configs = {key: value for key, (value, set_on_topic) in found.configs.items() if set_on_topic} | dict(wanted)
    try:
        responses = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)])
    except IncompatibleBrokerVersion:
        return "this broker cannot alter configs: create the topic again, or use the broker's own tool"
    for response in responses:
        for code, message, *_ in response.resources:
            if for_code(code) is TopicAuthorizationFailedError:
                raise _NotAllowed(f"ALTER_CONFIGS topic '{name}'")
            if code:
                return f"the broker rejected it: {message or f'error {code}'}"
    return ""


def topic_differences(topics: Sequence[Topic], found: Mapping[str, FoundTopic]) -> list[Difference]:
    """What differs between the cluster and `topics`, in the order of `topics`."""
    differences = []
    for topic in topics:
        there = found.get(topic.name)
        if there is None:
            differences.append(Difference(topic.name, "topic", "exists", None, _APPLY))
            continue
        if there.partitions != topic.partitions:
            wanted, value = str(topic.partitions), str(there.partitions)
            note = _PARTITIONS_LEFT if topic.keyed else _COUNT_LEFT
            differences.append(Difference(topic.name, "partitions", wanted, value, note, left=True))
        if there.replication != topic.replication:
            wanted, value = str(topic.replication), str(there.replication)
            differences.append(Difference(topic.name, "replication", wanted, value, _REPLICATION_LEFT, left=True))
        for key, wanted in topic.configs.items():
            found_value = there.configs[key][0] if key in there.configs else None
            if found_value == wanted:
                continue
            if key == "min.insync.replicas" and int(wanted) > there.replication:
                differences.append(Difference(topic.name, key, wanted, found_value, _INSYNC_LEFT, left=True))
            else:
                differences.append(Difference(topic.name, key, wanted, found_value, _APPLY))
    return differences
