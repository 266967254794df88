"""`topics apply` on a cluster whose brokers do not all know a new topic yet. The admin client is a stand-in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from aiokafka.errors import UnknownTopicOrPartitionError

from fraudstream.operations.apply_topics import _found
from fraudstream.stream.topics.file import Topic


class Admin:
    """One broker lists `names`; the broker that is asked for configs knows only `known`."""

    def __init__(self, names: list[str], known: list[str]) -> None:
        self._names, self._known = names, known

    async def describe_topics(self) -> list[dict[str, Any]]:
        return [{"topic": name, "partitions": [{"replicas": [1, 2, 3]}]} for name in self._names]

    async def describe_configs(self, resources: Any) -> list[Any]:
        answers: list[dict[str, Any]] = [
            {
                "error_code": 0 if name in self._known else UnknownTopicOrPartitionError.errno,
                "error_message": None,
                "resource_name": name,
                "config_entries": [],
            }
            for name in self._names
        ]
        return [SimpleNamespace(to_object=lambda: {"resources": answers})]


async def test_a_topic_that_one_broker_does_not_know_yet_counts_as_missing() -> None:
    topics = [Topic(name, 1, 3, {}) for name in ("payments", "alerts")]
    found = await _found(cast(Any, Admin(["payments", "alerts"], known=["alerts"])), topics)
    assert found.keys() == {"alerts"}
