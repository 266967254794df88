"""The consumer groups: how far behind, and how many members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient

from fraudstream.kafka import Brokers
from fraudstream.kafka.cluster_client import committed_offsets
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.operations.doctor.finding import Finding

CHECK: Final = "lag"
LAG_RECORDS_MAX: Final = 10_000
READ_S_MAX: Final = 15.0


class GroupLag(NamedTuple):
    """`committed`: partitions with a committed offset, of `partitions`. `records`: not read yet in those. `lost`: the
    partitions of which retention deleted records before the group read them."""

    group: str
    topic: str
    partitions: int
    committed: int
    records: int
    lost: Sequence[int]


async def group_lag(brokers: Brokers, group: str, topic: str) -> GroupLag:
    """Raises `NoTopicError`, `StalledError`, `GroupNotReadableError`, aiokafka's errors."""
    async with TopicReader(brokers, committed_only=False, client_id="fraudstream-doctor", limit_s=READ_S_MAX) as reader:
        numbers = await reader.partitions(topic)
        extents = await reader.extents(topic, numbers)
    committed = await committed_offsets(brokers, group, topic, numbers)
    behind = {number: extents[number].end - offset for number, offset in committed.items()}
    lost = [number for number, offset in committed.items() if offset < extents[number].begin]
    return GroupLag(group, topic, len(numbers), len(committed), sum(max(0, n) for n in behind.values()), lost)


async def group_members(brokers: Brokers, group: str) -> int:
    """How many members a group has now; 0 if there is no such group. Raises aiokafka's errors."""
    admin = AIOKafkaAdminClient(**brokers.options(), client_id="fraudstream-doctor")
    try:
        await admin.start()
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    found: Mapping[str, Sequence[Mapping[str, Any]]] = answer.to_object()
    return sum(len(of_group["members"]) for of_group in found["groups"])


def lag_findings(lag: GroupLag) -> list[Finding]:
    """What the lag of one group means."""
    where = f"group {lag.group}"
    if lag.lost:
        numbers = ", ".join(map(str, lag.lost))
        what = f"retention deleted records of {lag.topic}, partitions {numbers}, before they were read"
        return [Finding(CHECK, "error", where, what, "docs/runbook.md, FraudstreamRecordsMissing; then retention.ms")]
    if not lag.committed:
        return [Finding(CHECK, "ok", where, f"has read nothing of {lag.topic} yet")]
    if lag.records > LAG_RECORDS_MAX:
        what = f"{lag.records:,} records of {lag.topic} are not read yet"
        return [Finding(CHECK, "warning", where, what, "is it running? More of them, or wait until it has caught up")]
    return [Finding(CHECK, "ok", where, f"{lag.records:,} records of {lag.topic} to read")]
