"""By when a topic has lost a record, as its configs have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fraudstream.kafka import Brokers
from fraudstream.operations.account_records import AccountRecords

_CLEANING_MS: Final = 10 * 60 * 1000  # brokers look every five minutes, and remove a file a minute later
_NEVER_MS: Final = 9_223_372_036_854_775_807 // 2
_DAY_MS: Final = 24 * 3600 * 1000


class TopicExpiry(NamedTuple):
    """How a topic loses records. `retention_ms`: None if it keeps them for ever, or is compacted. `segment_ms`: how
    long records are written to one file, which is removed as a whole. `compaction_ms`: how long a replaced record of a
    compacted topic stays; None if that is not limited."""

    is_compacted: bool
    retention_ms: int | None
    segment_ms: int
    compaction_ms: int | None

    def gone_by_ms(self, found: AccountRecords) -> int | None:
        """When the last of the records is gone at the latest, ms since the epoch; None if that is not sure to come: the
        topic keeps them, or compaction has no limit."""
        if not self.is_compacted:
            if self.retention_ms is None:
                return None
            return found.newest_ms + self.retention_ms + self.segment_ms + _CLEANING_MS
        if found.current or self.compaction_ms is None:
            return None
        return found.replaced_ms + self.compaction_ms + _CLEANING_MS


async def topic_expiries(brokers: Brokers, topics: list[str]) -> Mapping[str, TopicExpiry]:
    """How each of `topics`, which exist, loses records. Raises aiokafka's errors."""
    if not topics:
        return {}
    admin = AIOKafkaAdminClient(**brokers.options(), client_id="fraudstream-topics")
    found = {}
    try:
        await admin.start()
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=None) for name in topics]
        for response in await admin.describe_configs(resources):
            for resource in response.to_object()["resources"]:
                configs = {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}
                found[resource["resource_name"]] = expiry_of(configs)
    finally:
        await admin.close()
    return found


def expiry_of(configs: Mapping[str, str]) -> TopicExpiry:
    """What a topic's configs say; those that are missing have Kafka's defaults.

    >>> expiry_of({"retention.ms": "-1"}).retention_ms is None
    True
    """
    policy = configs.get("cleanup.policy", "delete").split(",")
    retention_ms = int(configs.get("retention.ms", 7 * _DAY_MS))
    lag_ms = int(configs.get("max.compaction.lag.ms", 2 * _NEVER_MS))
    return TopicExpiry(
        is_compacted="compact" in policy and "delete" not in policy,
        retention_ms=None if retention_ms < 0 else retention_ms,
        segment_ms=int(configs.get("segment.ms", 7 * _DAY_MS)),
        compaction_ms=None if lag_ms > _NEVER_MS else lag_ms,
    )
