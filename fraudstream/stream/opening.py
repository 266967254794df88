"""Opening a partition after recovery: from its changelog to a position, a rule set and the owner's first checkpoint.

changelog without a checkpoint           ─► new: the log's first offset, the rules and lists in force now
checkpoint, nothing applied since it     ─► as new, but with the position and the rule set of the checkpoint
checkpoint                               ─► restored: position, rule set and flags of the checkpoint
checkpoint before the log's beginning    ─► stopped, unless the gap is accepted: then as restored, from the log's first
                                            offset on, with the lists and the switch in force now
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from fraudstream.stream.failure import PermanentFailure, RecordsMissing

if TYPE_CHECKING:
    from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
    from fraudstream.stream.checkpoints.checkpoint import Checkpoints
    from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
    from fraudstream.stream.checkpoints.resumption import Resumption
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import InputLog, RuleSetSource
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.stream.state_versions import StateVersions

log = logging.getLogger(__name__)

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
        the state does not fit the cluster or the rules, `RecordsMissing` for a gap that is not accepted, and what the
        ports raise.
        """
        restorer = partition.restorer
        assert restorer is not None, f"partition {partition.number} is not recovering"
        partition.accepted_gaps |= restorer.gaps
        partition.gaps_read_to = max(partition.gaps_read_to, partition.changelog_read)
        earliest = await self._input_log.earliest(partition.number)
        if restorer.checkpoint is None:
            await self._begin(partition, restorer, earliest)
        else:
            await self._restore(partition, restorer.checkpoint)
        if partition.begin > 0:
            partition.state.miss_the_beginning()
        await self._skip_accepted_gap(partition, earliest)
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

    async def open_after_gap(self, partition: Partition) -> None:
        """As `open`, for a partition that was processed until records were missing; its last checkpoint is taken."""
        await self._skip_accepted_gap(partition, await self._input_log.earliest(partition.number))
        await self._first_checkpoint(partition)

    async def records_missing(self, partition: Partition) -> RecordsMissing | None:
        """The fault of a partition whose log now begins above its position; None if it does not."""
        earliest = await self._input_log.earliest(partition.number)
        return await self._missing(partition, earliest) if earliest > partition.next_offset else None

    async def _skip_accepted_gap(self, partition: Partition, earliest: int) -> None:
        """Move the position to the log's beginning, if that is above it and the gap is accepted. Raises
        `RecordsMissing`."""
        first, number = partition.next_offset, partition.number
        if first < earliest:
            gap = partition.accepted_gaps.get(first)
            if gap is None:
                raise await self._missing(partition, earliest)
            partition.next_offset = partition.resumed_at = earliest
            log.warning(
                "%s-%d: resuming at %d without the records %d to %d, whose loss %s has accepted%s",
                self._settings.input_topic,
                number,
                earliest,
                first,
                earliest - 1,
                gap.accepted_by,
                f" ({gap.note})" if gap.note else "",
            )
            self._observer.on_records_missing(number, records=earliest - first)
        if partition.after_gap:  # also where a previous owner has skipped it, and applied nothing since
            partition.state.miss_records()
            if self._rule_sets is not None:
                await self._rule_sets.catch_up(partition.state, f"the state of {self._settings.input_topic}-{number}")

    async def _missing(self, partition: Partition, earliest: int) -> RecordsMissing:
        begins_at_ms = await self._input_log.begins_at_ms(partition.number)
        return self._resumption.records_missing(partition, earliest, begins_at_ms)

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

    async def _restore(self, partition: Partition, checkpoint: CheckpointRecord) -> None:
        """A partition with a checkpoint: the rows are those of its `next_offset`, so all else is taken from it too."""
        number = partition.number
        self._resumption.check(partition, checkpoint)
        if self._settings.checkpoint_mode == "transaction":  # other brokers may report an end too low
            ends = await self._input_log.ends([number])
            self._resumption.check_end(number, checkpoint, ends[number])
        partition.next_offset, partition.begin = checkpoint.next_offset, checkpoint.begin
        partition.seeded, partition.resumed_at = checkpoint.seeded, checkpoint.resumed_at
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
        if rule_sets is None:
            return
        if partition.after_gap or (partition.never_applied and rule_sets.lacks_controls(partition.begin)):
            await self._checkpoints.write_seed(partition)

    def _staggered_s(self, number: int) -> float:
        """When the last checkpoint would have been (`time.monotonic`), so that partitions do not take it together."""
        return time.monotonic() - self._settings.checkpoint_s * (number % STAGGER) / STAGGER
