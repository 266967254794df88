"""Resumes partitions that were stopped for missing records, once an operator has accepted their loss.

fraudstream state accept-gap 3 ─► record in the changelog ─► found here within seconds ─► the partition resumes
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.stream.failure import RecordsMissing

if TYPE_CHECKING:
    from fraudstream.stream.checkpoints.changelog import AcceptedGap
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import AcceptedGaps

LOOK_S: Final = 2.0

log = logging.getLogger(__name__)


class Reopens(Protocol):
    """The part of `Assignment` that is needed here."""

    async def reopen(self, partition: Partition, gap: AcceptedGap) -> None:
        """Process the partition again, from after the gap."""


class GapWatch:
    """Looks every few seconds for accepted gaps, while partitions are stopped for one."""

    def __init__(self, *, partitions: Mapping[int, Partition], gaps: AcceptedGaps, assignment: Reopens) -> None:
        """`partitions`: a live view of those that the stage holds."""
        self._partitions, self._gaps, self._assignment = partitions, gaps, assignment

    async def run(self) -> None:
        """Until cancelled. Raises what opening a partition raises."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Resume each partition whose gap is accepted by now."""
        for partition in list(self._partitions.values()):
            missing = partition.stopped
            if not isinstance(missing, RecordsMissing):
                continue
            try:
                found, partition.gaps_read_to = await self._gaps.accepted(partition.number, partition.gaps_read_to)
            except BROKER_ERRORS as error:
                log.debug("partition %d: accepted gaps were not read: %r", partition.number, error)
                continue
            partition.accepted_gaps |= found
            if (gap := partition.accepted_gaps.get(missing.first)) is not None:
                await self._assignment.reopen(partition, gap)
