"""What nobody else would tell: whether the brokers answer, how far behind each partition is, how far recovery has got.

The ends of our partitions are asked for every `LOOK_S`, apart from fetching: an answer says that brokers are there, and
tells how much waits also while nothing is fetched, or while nothing more is taken of what was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from aiokafka.errors import KafkaError
from faust.tables.manager import TableManager
from faust.types import TP

from fraudstream.kafka.outage_logger import LOG_INTERVAL_S, OutageLogger

if TYPE_CHECKING:
    from fraudstream.stream.faust.app import StreamApp
    from fraudstream.stream.partition import Partition

LOOK_S = 2.0
ANSWER_S_MAX = 3.0

log = logging.getLogger(__name__)


class RecoveryProgress(NamedTuple):
    """Of recovery: so many partitions, of all that are assigned, are not read back yet; `share` of the records is."""

    partitions: int
    of: int
    share: float
    records: int

    def __str__(self) -> str:
        """
        >>> str(RecoveryProgress(3, 8, 0.419, 120_000))
        'recovering 3 of 8 partitions, 41 % (120,000 records)'
        """
        read = f"{int(self.share * 100)} % ({self.records:,} records)"
        return f"recovering {self.partitions} of {self.of} partitions, {read}"


def progress(partitions: Iterable[Partition], ends: Mapping[int, int]) -> RecoveryProgress:
    """`ends`: by partition, the offset behind the last changelog record; what is missing there has not been asked for.

    Counted in offsets, of which compaction and markers leave some empty.
    """
    held = list(partitions)
    read = total = left = records = 0
    for partition in held:
        if partition.replay is None:
            continue
        end = ends.get(partition.number)
        begin = partition.changelog_begin
        span = max(0, (end or 0) - begin)
        done = min(span, max(0, partition.changelog_read - begin))
        read, total, records = read + done, total + span, records + partition.replay.records
        left += end is None or done < span
    return RecoveryProgress(left, len(held), read / total if total else 0.0, records)


class LagMonitor:
    def __init__(self, app: StreamApp) -> None:
        self._app = app
        self._outage = OutageLogger(app.settings.brokers, log, consequence=": payments wait there")
        self._recovering_said_at = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S / 2)
            self._tell_recovery()
            await asyncio.sleep(LOOK_S / 2)
            self._tell_recovery()
            self._app.versions.log_backfill_progress()
            if self._app.started and self._app.lists.knows_brokers:
                await self._ask()

    async def _ask(self) -> None:
        app = self._app
        topic, partitions = app.settings.input_topic, dict(app.partitions)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                ends = await app.lists.ends([TP(topic, number) for number in partitions or (0,)])
        except (KafkaError, OSError, TimeoutError) as error:
            self._outage.failed(error)
            app.observer.on_brokers(answer=False)
            return
        self._outage.recovered()
        app.observer.on_brokers(answer=True)
        for number, partition in partitions.items():
            if app.partitions.get(number) is partition and not (partition.recovering or partition.cut_over):
                lag = app.lists.behind(TP(topic, number), ends[TP(topic, number)], partition.next_offset)
                app.observer.on_lag(number, lag=lag)

    def _tell_recovery(self) -> None:
        app, now = self._app, time.monotonic()
        if not any(partition.recovering for partition in app.partitions.values()):
            self._recovering_said_at = now  # a recovery that takes less is not worth a word
            return
        topic = app.settings.changelog_topic
        highs = cast(TableManager, app.tables).recovery.active_highwaters
        ends = {tp.partition: high + 1 for tp, high in highs.items() if tp.topic == topic and high is not None}
        reached = progress(app.partitions.values(), ends)
        app.observer.on_recovering(reached.partitions, of=reached.of, share=reached.share)
        if now - self._recovering_said_at > LOG_INTERVAL_S:
            self._recovering_said_at = now
            log.info("%s", reached)
