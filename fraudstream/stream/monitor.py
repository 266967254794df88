"""Background reports of a stage: its lag, recovery and backfill, every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from fraudstream.kafka.lag_monitor import LagMonitor
from fraudstream.kafka.outage_logger import OutageLogger

if TYPE_CHECKING:
    from fraudstream.kafka import Brokers
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import InputLog
    from fraudstream.stream.recovery_progress import RecoveryReporter
    from fraudstream.stream.state_versions import StateVersions

LOOK_S = 2.0

log = logging.getLogger(__name__)


class InputLag:
    """The lag of a stage's partitions, for `LagMonitor`."""

    def __init__(self, input_log: InputLog, partitions: Mapping[int, Partition]) -> None:
        """`partitions`: a live view of those that the stage holds."""
        self._input_log, self._partitions = input_log, partitions

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """The end offset of each partition now. Raises one of `BROKER_ERRORS`."""
        return await self._input_log.ends(partitions)

    def lag(self, partition: int, ends: Mapping[int, int]) -> int | None:
        """Records that are not processed yet; None while the partition recovers or is stopped, and after it was cut
        over."""
        held = self._partitions[partition]
        if held.recovering or held.stopped is not None or held.cut_over:
            return None
        return self._input_log.records_behind(partition, ends[partition], held.next_offset)


class StageMonitor:
    """Reports on one stage, until its worker stops."""

    def __init__(
        self,
        *,
        brokers: Brokers,
        partitions: Mapping[int, Partition],
        input_log: InputLog,
        recovery: RecoveryReporter,
        versions: StateVersions,
        observer: StageObserver,
    ) -> None:
        """`partitions`: a live view of those that the stage holds."""
        self._recovery, self._versions = recovery, versions
        self._lag_monitor = LagMonitor(
            held=partitions,
            log=InputLag(input_log, partitions),
            outage=OutageLogger(brokers, log, consequence=": payments wait there"),
            observer=observer,
        )

    async def run(self, connected: Callable[[], bool]) -> None:
        """Until cancelled. `connected`: whether the consumer has started, so that brokers can be asked."""
        while True:
            await asyncio.sleep(LOOK_S / 2)
            self._recovery.report()
            await asyncio.sleep(LOOK_S / 2)
            self._recovery.report()
            self._versions.log_backfill_progress()
            if connected():
                await self._lag_monitor.look()
