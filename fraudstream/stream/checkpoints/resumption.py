"""Whether a partition may continue from its checkpoint: state and position must fit the current cluster and rules.

If they do not, a restart does not help, so each failure is a `PermanentFailure` that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from fraudstream.contracts.timestamps import utc_text
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
from fraudstream.stream.failure import PartitionFault, PermanentFailure, RecordsMissing
from fraudstream.stream.settings import StreamSettings

if TYPE_CHECKING:
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.topics.cluster import Cluster


class Resumption:
    """The checks of one stage. Methods raise `PermanentFailure`."""

    def __init__(self, settings: StreamSettings, cluster: Cluster, stages: Sequence[str]) -> None:
        """`stages`: those of a chain, in order; the single stage is none of them."""
        self._settings, self._cluster, self._stages = settings, cluster, stages

    def check(self, partition: Partition, checkpoint: CheckpointRecord) -> None:
        """State and position are only valid for the topics and the layout that they were written for."""
        name, restart = f"{self._settings.input_topic}-{partition.number}", self._judge_again
        if checkpoint.layout != partition.state.layout:
            raise self.other_layout(partition.number, f"layout {checkpoint.layout}, now {partition.state.layout}")
        if checkpoint.key_fingerprint != partition.state.key_fingerprint:
            raise PermanentFailure(
                f"The state of {name} was built under the identifier secret {checkpoint.key_fingerprint}, this worker "
                f"has {partition.state.key_fingerprint}. Give it the former: set identifiers.secret_file, or, if the "
                f"topic '{self._settings.controls_topic}' kept it and was created again, take it from a state export. "
                f"For another secret, backfill a state as for another rules/features.yaml. {restart}."
            )
        if (checkpoint.input_topic, checkpoint.input_id) != (self._settings.input_topic, self._cluster.input_id):
            raise PermanentFailure(
                f"The topic '{self._settings.input_topic}' is not the one that the state of {name} was built from "
                f"(topic '{checkpoint.input_topic}', id {checkpoint.input_id}; now {self._cluster.input_id}): it was "
                f"created again, so its offsets refer to other payments. {restart}."
            )
        self._check_next_topic(name, checkpoint)

    def _check_next_topic(self, name: str, checkpoint: CheckpointRecord) -> None:
        """The next stage drops repeats by the offsets of its source, so the topic between the two must not change."""
        cluster = self._cluster
        known, now = (checkpoint.next_id, checkpoint.next_partitions), (cluster.next_id, cluster.next_partitions)
        if checkpoint.next_topic and checkpoint.next_topic == self._settings.next_topic and known != now:
            raise PermanentFailure(
                f"The topic '{checkpoint.next_topic}' is not what it was when {name} forwarded payments to it (id "
                f"{known[0]}, {known[1]} partitions; now {now[0]}, {now[1]}): it was created again or given "
                f"partitions, so payments would count twice in the next stage, or not at all. {self._judge_again}."
            )

    def check_end(self, number: int, checkpoint: CheckpointRecord, end: int) -> None:
        """The log, which ends at `end`, must still have every record that the state was built from."""
        if checkpoint.next_offset > end:
            raise PartitionFault(
                f"{self._settings.input_topic}-{number} ends at {end}, but its state was built from records up to "
                f"{checkpoint.next_offset}: the brokers lost the last payments (an unclean leader election does that). "
                f"{self._judge_again}."
            )

    def records_missing(self, partition: Partition, earliest: int, begins_at_ms: int | None) -> RecordsMissing:
        """The log begins at `earliest`, above the partition's position; its first record was published at
        `begins_at_ms`, if that is known."""
        number, first, topic = partition.number, partition.next_offset, self._settings.input_topic
        last_ms = partition.state.watermark_ms
        times = [
            f"the last payment before them occurred at {utc_text(last_ms)}" if last_ms > 0 else "",
            f"the first record after them was published at {utc_text(begins_at_ms)}" if begins_at_ms else "",
        ]
        known = " and ".join(filter(None, times))
        flag = "" if self._settings.stage_is_first else f" --topic {topic}"
        return RecordsMissing(
            f"{topic}-{number}: retention deleted the records {first} to {earliest - 1} ({earliest - first:,}) before "
            f"they were processed{f': {known}' if known else ''}. To continue without them and keep the state, run "
            f"`fraudstream state accept-gap {number}{flag}`; payments that you still have can be published again after "
            "that. Give the topic a longer retention.",
            number=number,
            first=first,
            next=earliest,
        )

    def unreadable(self, number: int, first: int, end: int, error: Exception) -> PartitionFault:
        """The error for changelog records that cannot be read, between the offsets `first` and `end`."""
        return PartitionFault(
            f"{self._settings.changelog_topic}-{number}: a record between {first} and {end - 1} cannot be read "
            f"({type(error).__name__}: {error}): something other than workers has written there, or the record is "
            f"damaged. Restore an export with `fraudstream state import`. {self._judge_again}."
        )

    def other_layout(self, number: int, how: str) -> PermanentFailure:
        """The error for a state whose rows have another layout: that of another catalogue, or of another release."""
        return PermanentFailure(
            f"The state of {self._settings.input_topic}-{number} was written for another rules/features.yaml, or by a "
            f"release with another row layout ({how}). Use that one; to change it, backfill a state for the new one "
            f"beside the running workers: set worker.state_version to {self._settings.state_version + 1}, run "
            f"`fraudstream topics apply`, then `fraudstream worker --backfill`. {self._judge_again}."
        )

    @property
    def _judge_again(self) -> str:
        """What to do to process the whole topic again. Names the topics of later stages too: they drop repeats."""
        topics = [self._settings.changelog_topic]
        own = self._settings.stage
        later_stages = self._stages[self._stages.index(own) + 1 :] if own in self._stages else ()
        for name in later_stages:
            later = msgspec.structs.replace(self._settings, stage=name, stage_is_first=False)
            topics += [later.input_topic, later.changelog_topic]
        named = " and ".join(filter(None, (", ".join(f"'{topic}'" for topic in topics[:-1]), f"'{topics[-1]}'")))
        return (
            f"To process all payments of the topic again, stop all workers, delete the topic{'s' * (len(topics) > 1)} "
            f"{named} and run `fraudstream topics apply`"
        )
