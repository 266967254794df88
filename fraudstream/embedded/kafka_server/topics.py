"""The topics of the broker: partitions, configs and ids."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Final

from fraudstream.embedded.kafka_server.errors import Error, RequestRefused
from fraudstream.embedded.kafka_server.partition_log import PartitionLog

PARTITIONS_DEFAULT: Final = 4  # of a topic that a client's first use creates
PARTITIONS_MAX: Final = 10_000
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Topic:
    """One topic. `topic_id`: unique to it, so that a topic created again under its name is another one."""

    def __init__(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        self.name, self.topic_id = name, uuid.uuid4()
        self.logs = [PartitionLog() for _ in range(partitions)]
        self.configs = dict(configs)


class Topics:
    """All topics by name."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    def all(self) -> list[Topic]:
        """Every topic, in the order of creation."""
        return list(self._topics.values())

    def find(self, name: str) -> Topic:
        """The topic. Raises `RequestRefused` if there is none."""
        topic = self._topics.get(name)
        if topic is None:
            raise RequestRefused(Error.UNKNOWN_TOPIC_OR_PARTITION, f"no topic '{name}'")
        return topic

    def find_or_create(self, name: str) -> Topic:
        """The topic, created with defaults if there is none. Raises `RequestRefused` for a name that is not allowed."""
        if name not in self._topics:
            self.create(name, -1, {})
        return self._topics[name]

    def log(self, name: str, partition: int) -> PartitionLog:
        """The log of a partition. Raises `RequestRefused` if there is none."""
        logs = self.find(name).logs
        if not 0 <= partition < len(logs):
            raise RequestRefused(Error.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {partition} of topic '{name}'")
        return logs[partition]

    def check(self, name: str, partitions: int) -> None:
        """Raises `RequestRefused` if a topic of this name and size cannot be created."""
        if name in self._topics:
            raise RequestRefused(Error.TOPIC_ALREADY_EXISTS, f"topic '{name}' exists")
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise RequestRefused(
                Error.INVALID_TOPIC_EXCEPTION, f"topic name '{name}': 1 to 249 letters, digits, '.', '_' and '-'"
            )
        if partitions != -1 and not 1 <= partitions <= PARTITIONS_MAX:
            raise RequestRefused(Error.INVALID_PARTITIONS, f"{partitions} partitions: 1 to {PARTITIONS_MAX}")

    def create(self, name: str, partitions: int, configs: Mapping[str, str]) -> Topic:
        """Create a topic; -1 partitions stands for the default. Raises `RequestRefused`."""
        self.check(name, partitions)
        topic = Topic(name, PARTITIONS_DEFAULT if partitions == -1 else partitions, configs)
        self._topics[name] = topic
        return topic

    def delete(self, name: str) -> Topic:
        """Forget the topic and its records. Raises `RequestRefused` if there is none."""
        topic = self.find(name)
        del self._topics[name]
        return topic
