"""Requests about the cluster and its topics."""

from __future__ import annotations

from typing import Final

from fraudstream.embedded.kafka_server.errors import Error, RequestRefused
from fraudstream.embedded.kafka_server.partition_log import LEADER_EPOCH
from fraudstream.embedded.kafka_server.state import ALL_ALLOWED, NODE_ID, BrokerState, Request
from fraudstream.embedded.kafka_server.topics import Topic
from fraudstream.embedded.kafka_server.wire import NO_ID, Values

_TOPIC_RESOURCE: Final = 2
_SET_ON_TOPIC: Final = 1
_BUILT_IN: Final = 5
_CONFIG_DEFAULTS: Final = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "-1",
}


async def metadata(broker: BrokerState, request: Request, values: Values) -> Values:
    """The broker and the topics that are asked for, all of them if none is named."""
    return {
        "brokers": [{"node_id": NODE_ID, "host": broker.host, "port": broker.port}],
        "cluster_id": broker.cluster_id,
        "controller_id": NODE_ID,
        "topics": _topics(broker, request.version, values),
        "cluster_authorized_operations": ALL_ALLOWED,
    }


def _topics(broker: BrokerState, version: int, values: Values) -> list[Values]:
    wanted = values["topics"]
    if wanted is None or (version == 0 and not wanted):
        return [_described(topic) for topic in broker.topics.all()]
    creates = values.get("allow_auto_topic_creation", True)
    by_id = {topic.topic_id: topic for topic in broker.topics.all()}
    answers: list[Values] = []
    for topic in wanted:
        name, topic_id = topic["name"], topic.get("topic_id", NO_ID)
        try:
            if name is None:
                name = by_id[topic_id].name if topic_id in by_id else ""
            answers.append(_described((broker.topics.find_or_create if creates else broker.topics.find)(name)))
        except RequestRefused as refusal:
            answers.append({"error_code": refusal.error, "name": name, "authorized_operations": ALL_ALLOWED})
    return answers


def _described(topic: Topic) -> Values:
    partitions = [
        {
            "index": number,
            "leader_id": NODE_ID,
            "leader_epoch": LEADER_EPOCH,
            "replicas": [NODE_ID],
            "isr": [NODE_ID],
        }
        for number in range(len(topic.logs))
    ]
    return {
        "name": topic.name,
        "topic_id": topic.topic_id,
        "partitions": partitions,
        "authorized_operations": ALL_ALLOWED,
    }


async def create_topics(broker: BrokerState, request: Request, values: Values) -> Values:
    """Create topics with their configs, which are kept and not acted on."""

    def create(topic: Values) -> Values:
        partitions = len(topic["assignments"]) or topic["num_partitions"]
        try:
            if topic["replication_factor"] not in (-1, 1):
                raise RequestRefused(
                    Error.INVALID_REPLICATION_FACTOR, f"replication {topic['replication_factor']}: there is one broker"
                )
            if values.get("validate_only", False):
                broker.topics.check(topic["name"], partitions)
            else:
                configs = {
                    config["name"]: config["value"] for config in topic["configs"] if config["value"] is not None
                }
                broker.topics.create(topic["name"], partitions, configs)
        except RequestRefused as refusal:
            return {"name": topic["name"], "error_code": refusal.error, "error_message": refusal.sentence}
        return {"name": topic["name"]}

    return {"topics": [create(topic) for topic in values["topics"]]}


async def delete_topics(broker: BrokerState, request: Request, values: Values) -> Values:
    """Delete topics, and the offsets that groups have committed for them."""

    def delete(name: str) -> Values:
        try:
            deleted = broker.topics.delete(name)
        except RequestRefused as refusal:
            return {"name": name, "error_code": refusal.error}
        broker.groups.forget_topic(name)
        for log in deleted.logs:
            for wake in tuple(log.waiting):
                wake()  # a fetch that waits is answered that the topic is unknown
        return {"name": name}

    return {"topics": [delete(name) for name in values["names"]]}


async def describe_configs(broker: BrokerState, request: Request, values: Values) -> Values:
    """The configs of topics; of brokers none."""

    def describe(resource: Values) -> Values:
        about = {"resource_type": resource["resource_type"], "resource_name": resource["resource_name"]}
        if resource["resource_type"] != _TOPIC_RESOURCE:
            return about
        try:
            topic = broker.topics.find(resource["resource_name"])
        except RequestRefused as refusal:
            return about | {"error_code": refusal.error, "error_message": refusal.sentence}
        keys = resource["configuration_keys"]
        return about | {"configs": [entry for entry in _configs(topic) if keys is None or entry["name"] in keys]}

    return {"resources": [describe(resource) for resource in values["resources"]]}


def _configs(topic: Topic) -> list[Values]:
    held = _CONFIG_DEFAULTS | topic.configs
    return [
        {
            "name": name,
            "value": value,
            "is_default": name not in topic.configs,
            "config_source": _SET_ON_TOPIC if name in topic.configs else _BUILT_IN,
        }
        for name, value in held.items()
    ]
