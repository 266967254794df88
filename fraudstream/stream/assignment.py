"""Which partitions a stage owns: assigned, restored, opened, and revoked, in the order of the group's callbacks.

1. `on_assigned`: close revoked partitions, fence the previous owners of the new ones.
2. `restore`, for each batch of a changelog, until its end.
3. `resume`: check that the changelogs are read, open the new partitions, start processing.
4. `on_revoked`: the last checkpoints; nothing is processed until the next `on_assigned`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.partition import Partition

if TYPE_CHECKING:
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.stream.checkpoints.checkpoint import Checkpoints
    from fraudstream.stream.checkpoints.resumption import Resumption
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.opening import PartitionOpening
    from fraudstream.stream.ports import Changelog, ChangelogWriters, FailureHandler
    from fraudstream.stream.record_batch import RecordBatch
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.stream.state_versions import StateVersions

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
        self._changelog, self._writers = changelog, writers
        self._opening, self._versions, self._checkpoints = opening, versions, checkpoints
        self._resumption, self._failure, self._observer = resumption, failure, observer
        self._generation = 0

    async def on_assigned(self, numbers: set[int]) -> None:
        """Own these partitions and no others. Raises what fencing raises; then no partition may be processed."""
        for number in set(self._partitions) - numbers:
            await self._partitions.pop(number).writer.close()
        new = [await self._new_partition(number) for number in sorted(numbers - set(self._partitions))]
        await asyncio.gather(*(partition.writer.fence(partition.epoch) for partition in new))
        extents = await self._changelog.extents([partition.number for partition in new])  # ends are final once fenced
        for partition in new:
            partition.changelog_begin, partition.changelog_due = extents[partition.number]
            partition.changelog_read = partition.changelog_begin
            self._partitions[partition.number] = partition
            if (placement := partition.state.placement) is not None:  # so that its counter begins at 0
                self._observer.on_misplaced(partition.number, records=0, policy=placement.policy)
        self._observer.on_assigned(sorted(numbers))

    def restore(self, number: int, batch: RecordBatch) -> None:
        """Apply a batch of the partition's changelog to its state.

        For a partition that is not recovering, only the ownership is checked. Raises `WorkerFailure` if records are
        missing before the batch or another owner's epoch began, `PermanentFailure` for another layout.
        """
        partition = self._partitions.get(number)
        if partition is None:
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
            partition.restorer.feed(record for record in batch.records if record.offset >= expected)
        except ValueError as error:  # rows of another layout; the checkpoint that names it comes after them
            raise self._resumption.other_layout(number, str(error).rstrip(".")) from error
        partition.changelog_read = max(expected, batch.next)

    async def resume(self, numbers: Iterable[int]) -> None:
        """The changelogs of these partitions are read: open the new ones and start processing.

        Returns early if another rebalance begins, whose recovery calls this again. Raises `WorkerFailure` if a
        changelog was not read to its end or a checkpoint is incomplete, and what opening raises.
        """
        generation = self._generation
        for partition in [self._partitions[number] for number in sorted(numbers) if number in self._partitions]:
            async with partition.checkpoint_lock:
                if generation != self._generation:
                    return
                if partition.recovering:
                    partition.check_fully_restored()
                    await self._opening.open(partition)
                partition.check_checkpoint_complete()
                self._versions.resume(partition)
        undecided = {p.number for p in self._partitions.values() if p.cut_over or p.backfilling}
        log.info("processing partitions %s", sorted(set(numbers) - undecided))

    async def on_revoked(self) -> None:
        """A rebalance began or the worker stops: take a last checkpoint of each partition, in the group's time limit.

        An error, or running out of time, fails the worker.
        """
        self._observer.on_revoked()
        async with self._failure.failing():
            self._generation += 1
            async with asyncio.timeout(self._settings.revoke_s_max):
                await self._checkpoints.take_last(self._partitions.values())
            await self._checkpoints.commit_group(self._partitions.values())

    def positions(self) -> dict[int, int]:
        """By partition, the offset at which fetching of the input continues; without those that are recovering."""
        return {
            number: partition.next_offset for number, partition in self._partitions.items() if not partition.recovering
        }

    def changelog_written_to(self, number: int) -> int:
        """The offset after the last changelog record that this worker has read or written; 0 before the first."""
        partition = self._partitions.get(number)
        return 0 if partition is None or partition.changelog_end is None else partition.changelog_end + 1

    async def close(self) -> None:
        """Close the changelog writers. Bounded in time."""
        await asyncio.gather(*(partition.writer.close() for partition in self._partitions.values()))
        await self._writers.close()

    async def _new_partition(self, number: int) -> Partition:
        state = self._new_state()
        state.state_version = self._settings.state_version
        state.placement = self._settings.placement(number, self._input_partitions)
        writer = await self._writers.writer(number)
        partition = Partition(number, state, writer, self._settings.checkpoint_mode, self._next_partitions)
        partition.backfilled_only = self._settings.backfill and not self._settings.stage_is_first
        return partition
