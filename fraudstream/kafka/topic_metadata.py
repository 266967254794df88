"""Topic ids and permissions, which aiokafka's own metadata request (up to version 5) does not return.

The id changes when a topic of the same name is created again: offsets kept for a topic are invalid for its successor.
Ids came with version 10 of the request (KIP-516), permissions with version 8 (KIP-430), so that request is declared
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

Operation = Literal["READ", "WRITE"]
_OPERATIONS: Final[Mapping[Operation, int]] = {"READ": 3, "WRITE": 4}

_HIGH, _LOW = ("topic_id_high", Int64), ("topic_id_low", Int64)
_TAGS = ("tags", TaggedFields)
_NO_ID = UUID(int=0)


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32), ("host", CompactString()), ("port", Int32), ("rack", CompactString()), _TAGS
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString()),
                _HIGH,
                _LOW,
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                _TAGS,
            ),
        ),
        ("cluster_authorized_operations", Int32),
        _TAGS,
    )


class _MetadataStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("topics", CompactArray(_HIGH, _LOW, ("name", CompactString()), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        _TAGS,
    )


class _MetadataRequest(Request[_MetadataStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class([(0, 0, topic, {}) for topic in self._topics], False, False, True, {})


class TopicMetadata(NamedTuple):
    """`identity`: the topic id, or one derived from the cluster id. `permissions`: allowed operations, None if the
    brokers do not report them. `hidden`: we may not DESCRIBE the topic, so it may not even exist."""

    identity: str
    permissions: frozenset[Operation] | None
    hidden: bool

    def allows(self, operation: Operation) -> bool:
        """Whether our user may do this, as far as the brokers report it."""
        return not self.hidden and (self.permissions is None or operation in self.permissions)


async def topic_metadata(client: AIOKafkaClient, topics: Sequence[str]) -> Mapping[str, TopicMetadata]:
    """Metadata by name, without topics that do not exist.

    For a broker without topic ids the identity is the cluster's id, which changes with the broker's data. Raises
    aiokafka's errors.
    """
    try:
        response = await client.send(client.get_random_node(), _MetadataRequest(topics))
    except (IncompatibleBrokerVersion, NotImplementedError):
        cluster_id = getattr(client.cluster, "cluster_id", "unknown")
        return {topic: TopicMetadata(f"cluster {cluster_id}", None, False) for topic in topics}
    return {
        topic["name"]: _read(topic, response.cluster_id)
        for topic in response.to_object()["topics"]
        if for_code(topic["error_code"]) is not UnknownTopicOrPartitionError
    }


async def topic_identity(client: AIOKafkaClient, topic: str) -> str:
    """The id of a topic, as text. Raises aiokafka's errors; `UnknownTopicOrPartitionError` also if the broker that was
    asked does not know the topic yet."""
    metadata = await topic_metadata(client, [topic])
    if topic not in metadata:
        raise UnknownTopicOrPartitionError(topic)
    return metadata[topic].identity


def _read(topic: Mapping[str, Any], cluster_id: str) -> TopicMetadata:
    high, low = (topic[field[0]] % 2**64 for field in (_HIGH, _LOW))
    identity = UUID(int=high << 64 | low)
    bits = topic["authorized_operations"]
    return TopicMetadata(
        str(identity) if identity != _NO_ID else f"cluster {cluster_id}",
        None if bits <= 0 else frozenset(operation for operation, bit in _OPERATIONS.items() if bits >> bit & 1),
        for_code(topic["error_code"]) is TopicAuthorizationFailedError,
    )
