"""Topics on a cluster: compare what is there with what should be, create what is missing, set configs that differ.

`apply_topics` never deletes, never changes a topic's partitions (a key would move to another partition, away from the
state of its account) and never its replication (a reassignment is an operator's act): those differences it reports.
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
from fraudstream.kafka.permissions import not_allowed
from fraudstream.kafka.topic_metadata import topic_metadata
from fraudstream.stream.topics.file import Topic, TopicsError

SETTLED_WITHIN_S = 15.0  # a cluster spreads word of a change in well under a second
_ALREADY_EXISTS = 36
_APPLY = "fraudstream topics apply"
_PARTITIONS_LEFT = "left: accounts would move away from their state. Set topics.partitions, or start with new topics"
_REPLICATION_LEFT = "left: reassign the partitions with the cluster's own tool, or set topics.replication"
_INSYNC_LEFT = "left: with more than there are copies every write would be refused"
_SET_ON_TOPIC = 1  # config_source of DescribeConfigs: set on the topic itself, neither the cluster's nor a default


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about a topic that is not as it should be. `setting`: 'topic', 'partitions', 'replication' or a config.

    `left`: `apply_topics` does not change it. `note`: why, or what to do.
    """

    topic: str
    setting: str
    wanted: str
    found: str | None
    note: str = ""
    left: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What `apply_topics` did, and the differences that remain."""

    created: list[str]
    altered: list[Difference]
    remaining: list[Difference]


async def check_topics(brokers: Brokers, topics: Sequence[Topic]) -> list[Difference]:
    """What on the cluster is not as `topics` say. Raises `TopicsError` if the cluster cannot be asked."""
    async with _admin(brokers) as admin:
        await _check_hidden(brokers, admin, topics)
        return _differences(topics, await _found(admin, topics))


async def apply_topics(brokers: Brokers, topics: Sequence[Topic]) -> Outcome:
    """Create the topics that are missing, set the configs that differ, report the rest.

    Safe to run again, and beside another that does the same. Raises `TopicsError` if the cluster refuses a topic.
    """
    async with _admin(brokers) as admin:
        await _check_hidden(brokers, admin, topics)
        found = await _found(admin, topics)
        missing = [topic for topic in topics if topic.name not in found]
        if missing:
            await _create(admin, missing)
            found = await _found_once(admin, topics, lambda found: len(found) == len(topics))
        differing = [d for d in _differences(topics, found) if not d.left and d.topic in found]
        refusals = {}
        for name in dict.fromkeys(difference.topic for difference in differing):
            wanted = {d.setting: d.wanted for d in differing if d.topic == name}
            refusals[name] = await _alter(admin, name, wanted, found[name])
        altered = [difference for difference in differing if not refusals[difference.topic]]
        found = await _found_once(admin, topics, lambda found: not set(altered) & set(_differences(topics, found)))
        remaining = _differences(topics, found)
    return Outcome(
        created=[topic.name for topic in missing],
        altered=altered,
        remaining=[
            difference
            if difference.left
            else msgspec.structs.replace(difference, note=refusals.get(difference.topic) or difference.note)
            for difference in remaining
        ],
    )


class _Found(msgspec.Struct):
    """A topic as it is: each config with its value and whether it was set on the topic itself."""

    partitions: int
    replication: int
    configs: dict[str, tuple[str, bool]]


class _NotAllowed(Exception):
    """An ACL is missing: operation, kind of resource, name."""


@asynccontextmanager
async def _admin(brokers: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**brokers.options(), client_id="fraudstream-topics")
    try:
        await admin.start()
        yield admin
    except KafkaConnectionError as error:
        raise TopicsError(await unreachable(brokers)) from error
    except (KafkaError, OSError) as error:
        raise TopicsError(f"the cluster at {brokers} refuses: {error}.") from error
    except _NotAllowed as error:
        raise TopicsError(not_allowed(brokers, str(error))) from error
    finally:
        await admin.close()


async def _check_hidden(brokers: Brokers, admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """A topic that we may not see must not pass for one that is not there."""
    if brokers.guarded:
        told = await topic_metadata(admin._client, [topic.name for topic in topics])
        if hidden := [f"'{name}'" for name, topic in told.items() if topic.hidden]:
            raise _NotAllowed(f"DESCRIBE topic {', '.join(hidden)}")


async def _found(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, _Found]:
    # Asked for all topics, not for ours by name: to ask for a topic that is not there may create it.
    described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    names = [topic.name for topic in topics if topic.name in described]
    configs = await _configs(admin, names) if names else {}
    return {
        name: _Found(
            partitions=len(described[name]),
            replication=min(len(partition["replicas"]) for partition in described[name]),
            configs=configs[name],
        )
        for name in names
        if name in configs
    }


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, tuple[str, bool]]]:
    # All keys at once: asked for a key that was never set, the embedded broker closes the connection.
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=None) for name in names]
    configs = {}
    for response in await admin.describe_configs(resources):
        for resource in response.to_object()["resources"]:
            if for_code(resource["error_code"]) is TopicAuthorizationFailedError:
                raise _NotAllowed(f"DESCRIBE_CONFIGS topic '{resource['resource_name']}'")
            if for_code(resource["error_code"]) is UnknownTopicOrPartitionError:
                continue  # just made, and this broker has not heard of it yet: it counts as not there
            if resource["error_code"]:
                raise TopicsError(
                    f"the cluster does not tell the configs of '{resource['resource_name']}': "
                    f"{resource['error_message'] or resource['error_code']}."
                )
            configs[resource["resource_name"]] = {
                entry["config_names"]: (entry["config_value"], entry.get("config_source") == _SET_ON_TOPIC)
                for entry in resource["config_entries"]
            }
    return configs


async def _found_once(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], settled: Callable[[Mapping[str, _Found]], bool]
) -> dict[str, _Found]:
    """What is there once it has `settled`, or after `SETTLED_WITHIN_S`: brokers learn of a change a moment later."""
    deadline = asyncio.get_running_loop().time() + SETTLED_WITHIN_S
    while True:
        found = await _found(admin, topics)
        if settled(found) or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(0.1)


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    response = await admin.create_topics(
        [NewTopic(t.name, t.partitions, t.replication, topic_configs=dict(t.configs)) for t in topics]
    )
    for name, code, *message in response.topic_errors:
        if for_code(code) is TopicAuthorizationFailedError:
            raise _NotAllowed(f"CREATE topic '{name}'")
        if code not in (0, _ALREADY_EXISTS):  # another `apply` may have been faster: that is as good
            said = message[0] if message and message[0] else f"error {code}"
            raise TopicsError(
                f"the cluster refuses topic '{name}': {said.rstrip('.')}. On a single broker use --replication 1."
            )


async def _alter(admin: AIOKafkaAdminClient, name: str, wanted: Mapping[str, str], found: _Found) -> str:
    """Set configs of one topic; the reason if the broker refuses, else ''."""
    # The request replaces every config that is set on the topic, so send along those that are not ours to change.
    configs = {key: value for key, (value, set_on_topic) in found.configs.items() if set_on_topic} | dict(wanted)
    try:
        responses = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)])
    except IncompatibleBrokerVersion:
        return "this broker cannot alter configs: create the topic anew, or set it with the broker's own tool"
    for response in responses:
        for code, message, *_ in response.resources:
            if for_code(code) is TopicAuthorizationFailedError:
                raise _NotAllowed(f"ALTER_CONFIGS topic '{name}'")
            if code:
                return f"the broker refuses: {message or f'error {code}'}"
    return ""


def _differences(topics: Sequence[Topic], found: Mapping[str, _Found]) -> list[Difference]:
    differences = []
    for topic in topics:
        there = found.get(topic.name)
        if there is None:
            differences.append(Difference(topic.name, "topic", "exists", None, _APPLY))
            continue
        if there.partitions != topic.partitions:
            wanted, value = str(topic.partitions), str(there.partitions)
            differences.append(Difference(topic.name, "partitions", wanted, value, _PARTITIONS_LEFT, left=True))
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
