"""The partitions that a worker owns and does not process, because they have a fault; the others continue.

A stopped partition is frozen: nothing is applied to its state and nothing of it is saved. It stays so until an operator
accepts the loss of its missing records (`accepted_gaps`), or until its next owner opens it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from fraudstream.stream.failure import PartitionFault, PermanentFailure, RecordsMissing

if TYPE_CHECKING:
    from fraudstream.stream.partition import Partition

log = logging.getLogger(__name__)


class ObservesStops(Protocol):
    """The part of `StageObserver` that stopped partitions need."""

    def on_stopped(self, partition: int, *, sentence: str) -> None:
        """The partition is not processed, and why."""

    def on_resumed(self, partition: int) -> None:
        """It is processed again."""


class FindsMissing(Protocol):
    """The part of `PartitionOpening` that is needed here."""

    async def records_missing(self, partition: Partition) -> RecordsMissing | None:
        """The fault of a partition whose log now begins above its position; None if it does not."""


class TakesCheckpoints(Protocol):
    """The part of `Checkpoints` that is needed here."""

    async def take(self, partition: Partition, freeze: bool = False) -> None:
        """Take a checkpoint; with `freeze` nothing is applied to the partition afterwards."""


class StoppedPartitions:
    """Stops partitions of a stage, and resumes them. `numbers`: those stopped; replaced, never changed, so that the
    thread that fetches may read it."""

    def __init__(self, *, topic: str, partitions: Mapping[int, Partition], observer: ObservesStops) -> None:
        """`partitions`: a live view of those that the stage holds. `topic`: that they belong to, for log messages."""
        self._topic, self._partitions, self._observer = topic, partitions, observer
        self.numbers: frozenset[int] = frozenset()

    def stop(self, partition: Partition, fault: PermanentFailure) -> None:
        """Stop the partition because of `fault`."""
        partition.stopped, partition.frozen = fault, True
        self.numbers |= {partition.number}
        log.error("%s-%d is stopped; the other partitions continue. %s", self._topic, partition.number, fault.sentence)
        self._observer.on_stopped(partition.number, sentence=fault.sentence)

    def resume(self, partition: Partition) -> None:
        """The partition is about to be opened again, or to be processed; it stays frozen."""
        partition.stopped = None
        self.numbers -= {partition.number}
        self._observer.on_resumed(partition.number)

    def forget(self, number: int) -> None:
        """The partition was revoked."""
        self.numbers -= {number}

    def check_some_sound(self) -> None:
        """Raises the fault of a partition if all are stopped by faults that may be the cluster's or the worker's, such
        as other rules: then the worker has nothing to do, and says why in its exit."""
        faults = [partition.stopped for partition in self._partitions.values()]
        if faults and all(fault is not None and not isinstance(fault, PartitionFault) for fault in faults):
            assert faults[0] is not None
            raise faults[0]


class PartitionStops:
    """Stops partitions while they are processed."""

    def __init__(self, *, stopped: StoppedPartitions, opening: FindsMissing, checkpoints: TakesCheckpoints) -> None:
        self._stopped, self._opening, self._checkpoints = stopped, opening, checkpoints

    async def stop_if_records_missing(self, partition: Partition) -> bool:
        """Stop the partition if its log begins above its position; returns whether it does. Its last checkpoint makes
        that position durable, which names the gap. Raises what the checkpoint raises."""
        missing = await self._opening.records_missing(partition)
        if missing is None or partition.frozen:
            return missing is not None
        await self._checkpoints.take(partition, freeze=True)
        partition.gaps_read_to = (partition.changelog_end or 0) + 1
        self._stopped.stop(partition, missing)
        return True

    def stop_faulty(self, partition: Partition, fault: PermanentFailure) -> None:
        """Stop the partition because of `fault`; nothing is saved of it. Raises `fault` if that may be the cluster's
        and no partition is left."""
        self._stopped.stop(partition, fault)
        self._stopped.check_some_sound()
