"""A standby follows the changelogs of the partitions that other workers own, so that it can take one over at once.

    changelog of a partition   rows checkpoint rows checkpoint rows checkpoint | fenced
    standby                    ───────────────read into a state──────────►
    after the assignment                                                  ──►  only the rest is read

What it has read is a prefix of the changelog and nothing else, as if recovery had been interrupted there. On assignment
the previous owner is fenced first and the changelog then read from there to its end, as without a standby; so nothing
is lost or counted twice. Each partition that is followed takes as much memory as one that is owned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from fraudstream.contracts.error_text import error_text
from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.kafka.outage_logger import OutageLogger
from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
from fraudstream.stream.failure import PermanentFailure

if TYPE_CHECKING:
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.ports import ChangelogPart, FollowsChangelog
    from fraudstream.stream.settings import StreamSettings

RETRY_S: Final = 1.0
IDLE_S: Final = 1.0  # between two looks whether there is a partition to follow
RESTARTS_MAX: Final = 3  # of one partition, whose changelog began above what was read of it

log = logging.getLogger(__name__)


class StandbyPartition:
    """What a standby has read of the changelog of one partition.

    `next`: offset after the last record read; None before the first. `behind`: records of the changelog that are not
    read yet, markers included; None while unknown.
    """

    def __init__(self, state: PartitionState, restorer: ChangelogRestorer) -> None:
        """`restorer`: reads into `state`."""
        self.state, self.restorer = state, restorer
        self.next: int | None = None
        self.behind: int | None = None

    def read(self, part: ChangelogPart) -> None:
        """Apply the records of `part`. Raises what `ChangelogRestorer.feed` raises."""
        self.restorer.feed(part.records)
        self.next = part.next
        self.behind = None if part.end is None else max(0, part.end - part.next)


class Standby:
    """The partitions of a stage that this worker follows: all that it does not own."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        partitions: int,
        new_state: Callable[[], PartitionState],
        changelog: FollowsChangelog,
        observer: StageObserver,
    ) -> None:
        """`partitions`: how many the input has."""
        self._settings, self._new_state, self._changelog = settings, new_state, changelog
        self._observer = observer
        self._followed: dict[int, StandbyPartition] = {}
        self._unreadable: set[int] = set()
        self._restarts: dict[int, int] = {}
        self._all = range(partitions)
        self.own(())

    def own(self, numbers: Collection[int]) -> Mapping[int, StandbyPartition]:
        """This worker owns these partitions and no others from now on: follow the others. Returns what was read of
        those of `numbers` that were followed; none of them is changed any more."""
        taken = {number: self._followed.pop(number) for number in numbers if number in self._followed}
        self._unreadable -= set(numbers)
        for number in self._all:
            if number not in numbers and number not in self._followed:
                self._follow(number)
        self._report()
        return {number: partition for number, partition in taken.items() if partition.next is not None}

    async def run(self) -> None:
        """Follow until cancelled."""
        outage = OutageLogger(self._settings.brokers, log, consequence=": the standby falls behind")
        try:
            while True:
                try:
                    await self.read_once()
                    outage.recovered()
                except BROKER_ERRORS as error:
                    outage.failed(error)
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._changelog.close()

    async def read_once(self) -> None:
        """Read what follows, of all partitions together; waits a moment if nothing does. Raises `BROKER_ERRORS`."""
        before = {number: found for number, found in self._followed.items() if number not in self._unreadable}
        if not before:
            await asyncio.sleep(IDLE_S)
        parts = await self._changelog.read({number: partition.next for number, partition in before.items()})
        for number, part in parts.items():
            if self._followed.get(number) is before[number]:  # else it was assigned meanwhile
                self._read(number, before[number], part)
        self._report()

    def _read(self, number: int, partition: StandbyPartition, part: ChangelogPart) -> None:
        if part.lost:
            self._restart(number)
            return
        try:
            partition.read(part)
        except (PermanentFailure, msgspec.MsgspecError, AssertionError, IndexError, ValueError) as error:
            self._unreadable.add(number)  # the worker that is assigned the partition says what to do
            self._follow(number)
            name = f"{self._settings.changelog_topic}-{number}"
            log.warning("%s cannot be followed: %s. It is not read ahead of a takeover.", name, error_text(error))

    def _restart(self, number: int) -> None:
        """Records after those that were read are deleted: begin again."""
        self._restarts[number] = self._restarts.get(number, 0) + 1
        if self._restarts[number] > RESTARTS_MAX:
            self._unreadable.add(number)
        self._follow(number)

    def _follow(self, number: int) -> None:
        state = self._new_state()
        restorer = ChangelogRestorer(state, self._settings.checkpoint_mode)
        self._followed[number] = StandbyPartition(state, restorer)

    def _report(self) -> None:
        self._observer.on_standby({number: partition.behind for number, partition in self._followed.items()})
