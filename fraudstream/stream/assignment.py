"""Which partitions a stage owns: assigned, restored, opened, and revoked, in the order of the group's callbacks.

1. `on_assigned`: close revoked partitions, fence the previous owners of the new ones.
2. `restore`, for each batch of a changelog, until its end.
3. `resume`: check that the changelogs are read, open the new partitions, start processing.
4. `on_revoked`: the last checkpoints; nothing is processed until the next `on_assigned`.

A fault of one partition stops that partition (`stopped_partitions`), and 3 continues with the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from fraudstream.stream.failure import NewerState, PermanentFailure, WorkerFailure
from fraudstream.stream.partition import Partition

if TYPE_CHECKING:
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.stream.checkpoints.changelog import AcceptedGap
    from fraudstream.stream.checkpoints.checkpoint import Checkpoints
    from fraudstream.stream.checkpoints.resumption import Resumption
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.opening import PartitionOpening
    from fraudstream.stream.ports import Changelog, ChangelogWriters, FailureHandler, InputLog
    from fraudstream.stream.record_batch import RecordBatch
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.stream.standby import Standby
    from fraudstream.stream.state_versions import StateVersions
    from fraudstream.stream.stopped_partitions import StoppedPartitions

log = logging.getLogger(__name__)


class Assignment:
    """The partitions of a stage, and the steps of a rebalance. Nothing else adds or removes partitions."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        partitions: dict[int, Partition],
        new_state: Callable[[], PartitionState],
        input_partitions: int,
        next_partitions: int,
        input_log: InputLog,
        standby: Standby | None,
        stopped: StoppedPartitions,
        changelog: Changelog,
        writers: ChangelogWriters,
        opening: PartitionOpening,
        versions: StateVersions,
        checkpoints: Checkpoints,
        resumption: Resumption,
        failure: FailureHandler,
        observer: StageObserver,
    ) -> None:
        """`partitions`: by number, those of the last assignment; only this class changes it. `input_partitions`: how
        many the input has; `next_partitions`: the log of the next stage, 1 if there is none."""
        self._settings, self._partitions, self._new_state = settings, partitions, new_state
        self._input_partitions, self._next_partitions = input_partitions, next_partitions
        self._input_log, self._standby, self._stopped = input_log, standby, stopped
        self._changelog, self._writers = changelog, writers
        self._opening, self._versions, self._checkpoints = opening, versions, checkpoints
        self._resumption, self._failure, self._observer = resumption, failure, observer
        self._generation = 0
        self._revoked = True

    async def on_assigned(self, numbers: set[int]) -> None:
        """Own these partitions and no others. Raises what fencing raises; then no partition may be processed."""
        followed = self._standby.own(numbers) if self._standby is not None else {}
        for number in set(self._partitions) - numbers:
            self._stopped.forget(number)
            await self._partitions.pop(number).writer.close()
        new = [await self._new_partition(number) for number in sorted(numbers - set(self._partitions))]
        await asyncio.gather(*(partition.writer.fence(partition.epoch) for partition in new))
        extents = await self._changelog.extents([partition.number for partition in new])  # ends are final once fenced
        for partition in new:
            begin, end = extents[partition.number]
            partition.changelog_begin = partition.changelog_read = begin
            partition.changelog_due = end
            read = followed.get(partition.number)
            if read is not None and read.next is not None and begin <= read.next <= end:  # else it was created again
                self._prepare(partition.number, read.state)
                partition.continue_from(read)
            self._partitions[partition.number] = partition
            if (placement := partition.state.placement) is not None:  # so that its counter begins at 0
                self._observer.on_misplaced(partition.number, records=0, policy=placement.policy)
        self._observer.on_assigned(sorted(numbers))

    def restore(self, number: int, batch: RecordBatch) -> None:
        """Apply a batch of the partition's changelog to its state.

        For a partition that is not recovering, only the ownership is checked. One whose rows cannot be read is stopped.
        Raises `NewerState`, and `WorkerFailure` if records are missing before the batch or another owner's epoch began.
        """
        partition = self._partitions.get(number)
        if partition is None or (partition.stopped is not None and partition.restorer is not None):
            return
        if partition.restorer is None:
            partition.check_still_owner(batch.records)
            return
        expected = partition.changelog_read
        if batch.first > expected:
            raise WorkerFailure(
                f"{self._settings.changelog_topic}-{number}: the records {expected} to {batch.first - 1} were not "
                "delivered. Start the worker again; if it repeats, the changelog has lost records."
            )
        try:
            partition.restorer.feed(batch.records.since(expected))
        except NewerState:  # a worker of the release that saved it can process the partition: leave it
            raise
        except PermanentFailure as fault:
            self._stopped.stop(partition, fault)
        except (msgspec.MsgspecError, AssertionError, IndexError) as error:
            self._stopped.stop(partition, self._resumption.unreadable(number, expected, batch.next, error))
        except ValueError as error:  # rows of another layout; the checkpoint that names it comes after them
            self._stopped.stop(partition, self._resumption.other_layout(number, str(error).rstrip(".")))
        partition.changelog_read = max(expected, batch.next)

    async def resume(self, numbers: Iterable[int]) -> None:
        """The changelogs of these partitions are read: open the new ones and start processing.

        Returns early if another rebalance begins, whose recovery calls this again. A partition that cannot be opened is
        stopped. Raises `WorkerFailure` if a changelog was not read to its end or a checkpoint is incomplete, what
        opening raises, and the fault of a partition if none can be opened for a fault that may be the cluster's.
        """
        generation = self._generation
        for partition in [self._partitions[number] for number in sorted(numbers) if number in self._partitions]:
            async with partition.checkpoint_lock:
                if generation != self._generation:
                    return
                if partition.stopped is None:
                    await self._start(partition)
        self._stopped.check_some_sound()
        self._revoked = False
        undecided = {p.number for p in self._partitions.values() if p.cut_over or p.backfilling or p.stopped}
        log.info("processing partitions %s", ", ".join(map(str, sorted(set(numbers) - undecided))) or "none")

    async def _start(self, partition: Partition, was_open: bool = False) -> None:
        """Open the partition, if it is new, and let it be processed; it is stopped if that cannot be done. The caller
        holds its checkpoint lock. `was_open`: it was stopped while it was processed."""
        try:
            if partition.recovering:
                partition.check_fully_restored()
                await self._opening.open(partition)
            elif was_open:
                await self._opening.open_after_gap(partition)
            partition.check_checkpoint_complete()
        except PermanentFailure as fault:
            self._stopped.stop(partition, fault)
        else:
            self._versions.resume(partition)

    async def reopen(self, partition: Partition, gap: AcceptedGap) -> None:
        """Process a partition again that was stopped because of `gap`; not while partitions are being revoked.

        Raises what opening raises, but for faults of the partition, which stop it again.
        """
        async with partition.checkpoint_lock:
            held = self._partitions.get(partition.number) is partition
            if self._revoked or not held or partition.stopped is None:
                return
            partition.accepted_gaps[gap.first] = gap
            self._stopped.resume(partition)
            await self._start(partition, was_open=partition.restorer is None)
            if partition.number not in self._stopped.numbers:
                await self._input_log.seek(partition.number, partition.next_offset)

    async def on_revoked(self) -> None:
        """A rebalance began or the worker stops: take a last checkpoint of each partition, in the group's time limit.

        An error, or running out of time, fails the worker.
        """
        self._observer.on_revoked()
        self._revoked = True
        async with self._failure.failing():
            self._generation += 1
            async with asyncio.timeout(self._settings.revoke_s_max):
                await self._checkpoints.take_last(self._partitions.values())
            await self._checkpoints.commit_group(self._partitions.values())

    def positions(self) -> dict[int, int]:
        """By partition, the offset at which fetching of the input continues; without those that are recovering or
        stopped."""
        return {
            number: partition.next_offset
            for number, partition in self._partitions.items()
            if partition.restorer is None and partition.stopped is None
        }

    def changelog_written_to(self, number: int) -> int:
        """The offset after the last changelog record that this worker has read or written; 0 before the first."""
        partition = self._partitions.get(number)
        if partition is None:
            return 0
        if partition.changelog_end is None:
            return partition.changelog_read
        return partition.changelog_end + 1

    async def close(self) -> None:
        """Close the changelog writers. Bounded in time."""
        await asyncio.gather(*(partition.writer.close() for partition in self._partitions.values()))
        await self._writers.close()

    async def _new_partition(self, number: int) -> Partition:
        state = self._new_state()
        self._prepare(number, state)
        writer = await self._writers.writer(number)
        partition = Partition(number, state, writer, self._settings.checkpoint_mode, self._next_partitions)
        partition.backfilled_only = self._settings.backfill and not self._settings.stage_is_first
        return partition

    def _prepare(self, number: int, state: PartitionState) -> None:
        """Tell the state of a partition what is no part of its changelog."""
        state.state_version = self._settings.state_version
        state.placement = self._settings.placement(number, self._input_partitions)
