"""Requests for records: produce, fetch, offsets, deletion of records, producer ids."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from fraudstream.embedded.kafka_server.errors import Error, RequestRefused
from fraudstream.embedded.kafka_server.partition_log import LEADER_EPOCH, FoundOffset, PartitionLog
from fraudstream.embedded.kafka_server.state import BrokerState, Request
from fraudstream.embedded.kafka_server.wire import Values

LATEST: Final = -1
EARLIEST: Final = -2
_NO_OFFSET: Final = -1


async def produce(broker: BrokerState, request: Request, values: Values) -> Values | None:
    """Append to each partition; None, no answer, if the producer wants none."""

    def append(topic: str, part: Values) -> Values:
        try:
            log = broker.topics.log(topic, part["index"])
            base = log.append(part["records"] or b"")
        except RequestRefused as refusal:
            return {
                "index": part["index"],
                "error_code": refusal.error,
                "error_message": refusal.sentence,
                "base_offset": _NO_OFFSET,
                "log_append_time_ms": -1,
            }
        return {
            "index": part["index"],
            "base_offset": base,
            "log_append_time_ms": -1,
            "log_start_offset": log.start,
        }

    answer = _by_topic(values["topics"], append)
    return answer if values["acks"] != 0 else None


async def fetch(broker: BrokerState, request: Request, values: Values) -> Values:
    """The records from each position, as soon as there are `min_bytes` of them, else after `max_wait_ms`."""
    if values.get("session_id", 0):  # there are no fetch sessions: each fetch names all its partitions
        return {"error_code": Error.FETCH_SESSION_ID_NOT_FOUND}
    deadline_s = asyncio.get_running_loop().time() + values["max_wait_ms"] / 1000
    while True:
        answer, size, refused = _read(broker, values)
        wait_s = deadline_s - asyncio.get_running_loop().time()
        if refused or size >= values["min_bytes"] or wait_s <= 0:
            return answer
        await _until_appended(_logs(broker, values["topics"]), wait_s)


def _read(broker: BrokerState, values: Values) -> tuple[Values, int, bool]:
    """The records held now: the answer, bytes of records in it, and whether a partition is refused."""
    left, size, refused = values["max_bytes"], 0, False

    def read(topic: str, part: Values) -> Values:
        nonlocal left, size, refused
        try:
            log = broker.topics.log(topic, part["index"])
            records = log.read(part["fetch_offset"], min(left, part["partition_max_bytes"]), at_least_one=size == 0)
        except RequestRefused as refusal:
            refused = True
            return {
                "index": part["index"],
                "error_code": refusal.error,
                "high_watermark": -1,
                "last_stable_offset": -1,
                "log_start_offset": -1,
                "preferred_read_replica": -1,
            }
        left, size = max(left - len(records), 0), size + len(records)
        return {
            "index": part["index"],
            "high_watermark": log.end,
            "last_stable_offset": log.end,
            "log_start_offset": log.start,
            "preferred_read_replica": -1,
            "records": records,
        }

    return _by_topic(values["topics"], read), size, refused


def _logs(broker: BrokerState, topics: Sequence[Values]) -> list[PartitionLog]:
    return [broker.topics.log(topic["name"], part["index"]) for topic in topics for part in topic["partitions"]]


async def _until_appended(logs: Sequence[PartitionLog], wait_s: float) -> None:
    """Wait until one of the logs grows, at most `wait_s` seconds."""
    appended = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not appended.done():
            appended.set_result(None)

    for log in logs:
        log.waiting.add(wake)
    try:
        await asyncio.wait((appended,), timeout=wait_s)
    finally:
        for log in logs:
            log.waiting.discard(wake)


async def list_offsets(broker: BrokerState, request: Request, values: Values) -> Values:
    """The start or end of each partition, or its position at a time."""

    def position(topic: str, part: Values) -> Values:
        try:
            log = broker.topics.log(topic, part["index"])
        except RequestRefused as refusal:
            return {"index": part["index"], "error_code": refusal.error, "timestamp": -1, "offset": _NO_OFFSET}
        found = _position(log, part["timestamp"])
        return {
            "index": part["index"],
            "timestamp": found.timestamp_ms,
            "offset": found.offset,
            "leader_epoch": LEADER_EPOCH,
        }

    return _by_topic(values["topics"], position)


def _position(log: PartitionLog, timestamp_ms: int) -> FoundOffset:
    if timestamp_ms == LATEST:
        return FoundOffset(log.end, -1)
    if timestamp_ms == EARLIEST:
        return FoundOffset(log.start, -1)
    return log.offset_at(timestamp_ms) or FoundOffset(_NO_OFFSET, -1)


async def delete_records(broker: BrokerState, request: Request, values: Values) -> Values:
    """Forget the records before an offset; -1 stands for the end."""

    def delete(topic: str, part: Values) -> Values:
        try:
            log = broker.topics.log(topic, part["index"])
            log.delete_before(log.end if part["offset"] == -1 else part["offset"])
        except RequestRefused as refusal:
            return {"index": part["index"], "error_code": refusal.error, "low_watermark": -1}
        return {"index": part["index"], "low_watermark": log.start}

    return _by_topic(values["topics"], delete)


async def init_producer_id(broker: BrokerState, request: Request, values: Values) -> Values:
    """An id for an idempotent producer. Transactions are refused, with an error that no client retries."""
    if values["transactional_id"] is not None:
        return {"error_code": Error.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "producer_id": -1, "producer_epoch": -1}
    return {"producer_id": next(broker.producer_ids), "producer_epoch": 0}


def _by_topic(topics: Sequence[Values], answer: Any) -> Values:
    """An answer for each partition of each topic, from `answer(topic, partition's values)`."""
    return {
        "topics": [
            {"name": topic["name"], "partitions": [answer(topic["name"], part) for part in topic["partitions"]]}
            for topic in topics
        ]
    }
