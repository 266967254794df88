"""Whether a partition may go on from its checkpoint: rows and position must fit the world as it is now.

Where they do not, to start again changes nothing, so each is a `PermanentFailure` that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from faust.types import TP

from fraudstream.stream.checkpoints.changelog import CheckpointRecord
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.partition import Partition
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import Cluster


class Resumption:
    """Of one stage of a worker. `stages`: all of the catalogue, in their order."""

    def __init__(self, settings: StreamSettings, cluster: Cluster, stages: Sequence[str]) -> None:
        self._settings, self._cluster, self._stages = settings, cluster, stages

    def check(self, partition: Partition, checkpoint: CheckpointRecord, earliest: int) -> None:
        """Rows and position are only good for the topic and the engine that they were written for. `earliest`: where
        the log begins now."""
        place, anew = f"{self._settings.input_topic}-{partition.number}", self._anew
        if checkpoint.layout != partition.state.layout:
            raise self.other_layout(partition.number, f"layout {checkpoint.layout}, now {partition.state.layout}")
        if (checkpoint.input_topic, checkpoint.input_id) != (self._settings.input_topic, self._cluster.input_id):
            raise PermanentFailure(
                f"The topic '{self._settings.input_topic}' is not the one that the memory of {place} comes from "
                f"(topic '{checkpoint.input_topic}', id {checkpoint.input_id}; now {self._cluster.input_id}): it was "
                f"created again, so its offsets mean other payments. {anew}."
            )
        self._check_next(place, checkpoint)
        if checkpoint.next_offset < earliest:
            raise PermanentFailure(
                f"{place}: retention deleted the payments {checkpoint.next_offset} to {earliest - 1} before they were "
                f"judged. {anew}, which judges those from {earliest} on and forgets what came before."
            )

    def _check_next(self, place: str, checkpoint: CheckpointRecord) -> None:
        """The next stage drops what is handed on again by where it stands, so that must not change."""
        known, now = (
            (checkpoint.next_id, checkpoint.next_partitions),
            (self._cluster.next_id, self._cluster.next_partitions),
        )
        if checkpoint.next_topic and checkpoint.next_topic == self._settings.next_topic and known != now:
            raise PermanentFailure(
                f"The topic '{checkpoint.next_topic}' is not what it was when {place} handed payments on to it (id "
                f"{known[0]}, {known[1]} partitions; now {now[0]}, {now[1]}): it was created again or given "
                f"partitions, so payments would count twice in the next stage, or not at all. {self._anew}."
            )

    def check_end(self, place: TP, checkpoint: CheckpointRecord, end: int) -> None:
        """What the memory has seen must still stand in the log, which ends at `end`."""
        if checkpoint.next_offset > end:
            raise PermanentFailure(
                f"{place.topic}-{place.partition} ends at {end}, but its memory has seen it up to "
                f"{checkpoint.next_offset}: the brokers lost the last payments (an unclean leader election does that). "
                f"{self._anew}."
            )

    def other_layout(self, number: int, how: str) -> PermanentFailure:
        """The memory of a partition was written under a catalogue whose rows are of another form."""
        return PermanentFailure(
            f"The memory of {self._settings.input_topic}-{number} was written for another rules/features.yaml "
            f"({how}). Go back to that one; to change it, build a memory for the new one beside the running workers: "
            f"set worker.state_version to {self._settings.state_version + 1}, run `fraudstream topics apply`, then "
            f"`fraudstream worker --backfill`. {self._anew}."
        )

    @property
    def _anew(self) -> str:
        topics = [self._settings.changelog_topic]
        behind_us = self._stages[self._stages.index(self._settings.stage) + 1 :]
        for name in behind_us:  # they drop what they have had of ours
            behind = msgspec.structs.replace(self._settings, stage=name, stage_is_first=False)
            topics += [behind.input_topic, behind.changelog_topic]
        named = " and ".join(filter(None, (", ".join(f"'{topic}'" for topic in topics[:-1]), f"'{topics[-1]}'")))
        return (
            f"To judge all payments of the topic anew, stop all workers, delete the topic{'s' * (len(topics) > 1)} "
            f"{named} and run `fraudstream topics apply`"
        )
