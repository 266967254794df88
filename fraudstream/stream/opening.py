"""Opening a partition after recovery: from its changelog to a position, a rule set and the owner's first checkpoint.

changelog without a checkpoint           ─► new: the log's first offset, the rules and lists in force now
checkpoint, nothing applied since it     ─► as new, but with the position and the rule set of the checkpoint
checkpoint                               ─► restored: position, rule set and flags of the checkpoint
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fraudstream.stream.failure import PermanentFailure

if TYPE_CHECKING:
    from fraudstream.stream.checkpoints.changelog import ChangelogRestorer, CheckpointRecord
    from fraudstream.stream.checkpoints.checkpoint import Checkpoints
    from fraudstream.stream.checkpoints.resumption import Resumption
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import InputLog, RuleSetSource
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.stream.state_versions import StateVersions

STAGGER = 8  # first checkpoints of this many partitions are spread over the checkpoint interval


class PartitionOpening:
    """Opens the partitions of a stage. `rule_sets`: None in a stage that does not decide."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        input_log: InputLog,
        rule_sets: RuleSetSource | None,
        resumption: Resumption,
        versions: StateVersions,
        checkpoints: Checkpoints,
        observer: StageObserver,
    ) -> None:
        """Takes its collaborators."""
        self._settings, self._input_log, self._rule_sets = settings, input_log, rule_sets
        self._resumption, self._versions, self._checkpoints = resumption, versions, checkpoints
        self._observer = observer

    async def open(self, partition: Partition) -> None:
        """Make the partition ready to process; it stays frozen. The caller holds its checkpoint lock.

        Before: the changelog is read to its end. After: `next_offset` is the first record that the state has not seen,
        a checkpoint of this owner says so, and the partition is not recovering any more. Raises `PermanentFailure` if
        the state does not fit the cluster or the rules, and what the ports raise.
        """
        restorer = partition.restorer
        assert restorer is not None, f"partition {partition.number} is not recovering"
        earliest = await self._input_log.earliest(partition.number)
        if restorer.checkpoint is None:
            await self._begin(partition, restorer, earliest)
        else:
            await self._restore(partition, restorer.checkpoint, earliest)
        if partition.begin > 0:
            partition.state.miss_the_beginning()
        partition.saved_offset = partition.next_offset
        await self._first_checkpoint(partition)
        partition.restorer = None
        partition.checkpoint_at = self._staggered_s(partition.number)
        self._observer.on_recovery(
            partition.number,
            seconds=time.monotonic() - partition.opened_at,
            records=restorer.records,
            size=restorer.size,
            next_offset=partition.next_offset,
        )

    async def _begin(self, partition: Partition, restorer: ChangelogRestorer, earliest: int) -> None:
        """A partition that no worker has opened yet: the state is empty, so it begins with the log."""
        if restorer.records:
            raise PermanentFailure(
                f"The changelog {self._settings.changelog_topic}-{partition.number} has {restorer.records} records "
                "but no checkpoint: an import was not finished, or others write to it. Stop all workers, delete "
                "the topic and run `fraudstream topics apply`; then import again, or let the workers process the "
                "payments again."
            )
        self._versions.begin(partition)
        partition.begin = partition.next_offset = earliest
        if self._rule_sets is not None:
            await self._rule_sets.begin(partition.state, earliest)

    async def _restore(self, partition: Partition, checkpoint: CheckpointRecord, earliest: int) -> None:
        """A partition with a checkpoint: the rows are those of its `next_offset`, so all else is taken from it too."""
        number = partition.number
        self._resumption.check(partition, checkpoint, earliest)
        if self._settings.checkpoint_mode == "transaction":  # others may report a wrong end
            ends = await self._input_log.ends([number])
            self._resumption.check_end(number, checkpoint, ends[number])
        partition.next_offset, partition.begin = checkpoint.next_offset, checkpoint.begin
        partition.seeded = checkpoint.seeded
        partition.state.sources = dict(checkpoint.sources)
        partition.state.backfilling = checkpoint.backfilling
        partition.state.cut_over_to = checkpoint.cut_over_to
        if self._rule_sets is not None:
            await self._restore_rule_set(partition, checkpoint, self._rule_sets)

    async def _restore_rule_set(
        self, partition: Partition, checkpoint: CheckpointRecord, rule_sets: RuleSetSource
    ) -> None:
        """The rule set is that of the checkpoint. List entries are rows, which are missing if nothing was applied."""
        partition.state.rule_set = checkpoint.rule_set
        named_by = f"the state of {self._settings.input_topic}-{partition.number}"
        if partition.never_applied:
            await rule_sets.begin_again(partition.state, checkpoint.begin, named_by)
        else:
            await rule_sets.resume(partition.state, named_by)

    async def _first_checkpoint(self, partition: Partition) -> None:
        """Before the first payment: the position and, where the log lacks controls, their replacements."""
        await self._checkpoints.open(partition)
        rule_sets = self._rule_sets
        if partition.never_applied and rule_sets is not None and rule_sets.lacks_controls(partition.begin):
            await self._checkpoints.write_seed(partition)

    def _staggered_s(self, number: int) -> float:
        """When the last checkpoint would have been (`time.monotonic`), so that partitions do not take it together."""
        return time.monotonic() - self._settings.checkpoint_s * (number % STAGGER) / STAGGER
