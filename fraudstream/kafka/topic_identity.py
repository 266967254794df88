"""The identity of a topic: its id, which changes when a topic of the same name is created again.

Offsets kept for a topic mean nothing for its successor. aiokafka asks for metadata up to version 5, topic ids came with
version 10 (KIP-516), so that request is declared here.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
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

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class([(0, 0, self._topic, {})], False, False, False, {})


async def topic_identity(client: AIOKafkaClient, topic: str) -> str:
    """The id of `topic` as text; where the broker gives none, the cluster's id stands in (it changes with the broker's
    data)."""
    try:
        response = await client.send(client.get_random_node(), _MetadataRequest(topic))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return f"cluster {client.cluster.cluster_id if hasattr(client.cluster, 'cluster_id') else 'unknown'}"
    found: dict[str, Any] = next(t for t in response.to_object()["topics"] if t["name"] == topic)
    high, low = (found[field[0]] % 2**64 for field in (_HIGH, _LOW))
    identity = UUID(int=high << 64 | low)
    return str(identity) if identity != _NO_ID else f"cluster {response.cluster_id}"
