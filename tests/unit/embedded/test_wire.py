"""Messages of the embedded broker, beside aiokafka's own declarations of them."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol import admin, commit, fetch, group, metadata, offset, produce

from fraudstream.embedded.kafka_server import messages
from fraudstream.embedded.kafka_server.messages import Api

APIS = [value for value in vars(messages).values() if isinstance(value, Api)]
EVERY_VERSION = [pytest.param(api, version, id=f"{api.key}-v{version}")
                 for api in APIS for version in range(api.first, api.last + 1)]  # fmt: skip

PARTITION = {"index": 3, "error_code": 0, "base_offset": 7, "log_append_time_ms": -1, "high_watermark": 9,
             "last_stable_offset": 9, "records": b"data", "timestamp": 5, "offset": 6, "committed_offset": 4,
             "metadata": "m", "leader_id": 1, "replicas": [1], "isr": [1]}  # fmt: skip
TOPICS = {"topics": [{"name": "payments", "partitions": [PARTITION]}]}
ANSWERS: list[tuple[Api, Any, str, dict[str, Any]]] = [
    (messages.PRODUCE, produce, "ProduceResponse", TOPICS),
    (messages.FETCH, fetch, "FetchResponse", TOPICS),
    (messages.LIST_OFFSETS, offset, "OffsetResponse", TOPICS),
    (messages.METADATA, metadata, "MetadataResponse", TOPICS | {"brokers": [{"node_id": 1, "host": "h", "port": 2}]}),
    (messages.OFFSET_COMMIT, commit, "OffsetCommitResponse", TOPICS),
    (messages.OFFSET_FETCH, commit, "OffsetFetchResponse", TOPICS),
    (messages.JOIN_GROUP, group, "JoinGroupResponse", {"leader": "m", "members": [{"member_id": "m"}]}),
    (messages.SYNC_GROUP, group, "SyncGroupResponse", {"assignment": b"a"}),
    (messages.HEARTBEAT, group, "HeartbeatResponse", {}),
    (messages.CREATE_TOPICS, admin, "CreateTopicsResponse", {"topics": [{"name": "payments"}]}),
    (messages.DELETE_TOPICS, admin, "DeleteTopicsResponse", {"topics": [{"name": "payments"}]}),
    (messages.DESCRIBE_CONFIGS, admin, "DescribeConfigsResponse",
     {"resources": [{"resource_name": "payments", "configs": [{"name": "retention.ms", "value": "1"}]}]}),
]  # fmt: skip
READ_BY_AIOKAFKA = [
    pytest.param(api, version, getattr(module, f"{name}_v{version}"), values, id=f"{name}-v{version}")
    for api, module, name, values in ANSWERS
    for version in range(api.first, api.last + 1)
    if hasattr(module, f"{name}_v{version}")
]


@pytest.mark.parametrize(("api", "version"), EVERY_VERSION)
def test_what_is_encoded_is_decoded_to_the_end(api: Api, version: int) -> None:
    for message in (api.request, api.response):
        data = message.encode({}, version)
        values = message.decode(memoryview(data), version)
        assert message.encode(values, version) == data


@pytest.mark.parametrize(("api", "version", "response", "values"), READ_BY_AIOKAFKA)
def test_aiokafka_reads_an_answer_to_its_last_byte(
    api: Api, version: int, response: Any, values: dict[str, Any]
) -> None:
    data = BytesIO(bytes(api.response.encode(values, version)))
    read = response.decode(data)
    assert data.read() == b""
    assert read.encode() == data.getvalue()


def test_aiokafka_knows_most_of_the_answers() -> None:
    assert len(READ_BY_AIOKAFKA) > 40


@pytest.mark.parametrize("size", range(12))
def test_a_request_that_is_cut_short_is_an_error(size: int) -> None:
    data = messages.HEARTBEAT.request.encode({"group_id": "g", "member_id": "m"}, 0)
    with pytest.raises((struct.error, IndexError)):
        messages.HEARTBEAT.request.decode(memoryview(data)[: min(size, len(data) - 1)], 0)
