"""Checks every few seconds that the topics of a running worker are still those that it started with.

The offsets of a topic that was created again refer to other payments; added partitions separate accounts from their
state. Fetching reports neither. Brokers with stale metadata may answer wrongly once, so only two failed checks in a row
are an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.stream.failure import PermanentFailure

if TYPE_CHECKING:
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.stream.topics.cluster import Cluster


class TopicWatch:
    """Watches the topics of one stage."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        cluster: Cluster,
        look: Callable[[StreamSettings], Awaitable[Cluster]],
        on_partitions: Callable[[Mapping[str, int]], None],
    ) -> None:
        """`cluster`: as it was at the start. `look`: asks the brokers for what it is now; raises one of `BROKER_ERRORS`
        if none answers, `PermanentFailure` if topics are missing. `on_partitions`: gets the partition counts of
        all topics whenever they were looked at."""
        self._settings, self._cluster, self._look = settings, cluster, look
        self._on_partitions = on_partitions

    async def run(self) -> None:
        """Until cancelled. Raises the `PermanentFailure` of the second check in a row that found topics changed."""
        suspected = False
        while True:
            await asyncio.sleep(self._settings.topic_check_s)
            try:
                now = await self._look(self._settings)
                self._on_partitions(now.partitions)
                self._check(now)
                suspected = False
            except PermanentFailure:
                if suspected:
                    raise
                suspected = True
            except BROKER_ERRORS:
                pass  # the lag monitor reports brokers that do not answer

    def _check(self, now: Cluster) -> None:
        topic, since = self._settings.input_topic, self._cluster
        if now.input_id != since.input_id:
            raise PermanentFailure(
                f"The topic '{topic}' was created again while the worker ran (id {since.input_id}, now "
                f"{now.input_id}): its offsets refer to other payments than those in the state."
            )
        if now.partitions[topic] != since.partitions[topic]:
            raise PermanentFailure(
                f"The topic '{topic}' has {now.partitions[topic]} partitions, and had {since.partitions[topic]} when "
                "the worker started: accounts are in other partitions than their state."
            )
        if now.changelog_id != since.changelog_id:
            raise PermanentFailure(
                f"The changelog '{self._settings.changelog_topic}' was created again while the worker ran: the state "
                "that it held is gone. Stop all workers, and restore an export with `fraudstream state import`. "
                "Without one, workers process the payments from their beginning."
            )
        if (now.next_id, now.next_partitions) != (since.next_id, since.next_partitions):
            raise PermanentFailure(
                f"The topic '{self._settings.next_topic}', to which payments are forwarded, was created again or given "
                "partitions while the worker ran. After a restart the worker says what to do."
            )
