"""How far the recovery of a stage's partitions has got, for the log and the observer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import Changelog

LOG_S = 5.0  # a recovery that takes less is not logged; also the time between two log messages

log = logging.getLogger(__name__)


class RecoveryProgress(NamedTuple):
    """`partitions`, of all `of` that are assigned, are not restored yet; `share` (0 to 1) of the changelog offsets and
    `records` of the changelog records are read."""

    partitions: int
    of: int
    share: float
    records: int

    def __str__(self) -> str:
        """
        >>> str(RecoveryProgress(3, 8, 0.419, 120_000))
        'recovering 3 of 8 partitions, 41 % (120,000 records)'
        """
        read = f"{int(self.share * 100)} % ({self.records:,} records)"
        return f"recovering {self.partitions} of {self.of} partitions, {read}"


def recovery_progress(partitions: Iterable[Partition], ends: Mapping[int, int]) -> RecoveryProgress:
    """`ends`: by partition, the end offset of its changelog; a partition that is missing there counts as not begun.

    Counted in offsets, of which compaction and transaction markers leave some empty.
    """
    held = list(partitions)
    read = total = unfinished = records = 0
    for partition in held:
        if partition.restorer is None:
            continue
        end = ends.get(partition.number)
        begin = partition.changelog_begin
        span = max(0, (end or 0) - begin)
        done = min(span, max(0, partition.changelog_read - begin))
        read, total, records = read + done, total + span, records + partition.restorer.records
        unfinished += end is None or done < span
    return RecoveryProgress(unfinished, len(held), read / total if total else 0.0, records)


class ObservesRecovery(Protocol):
    """The part of `StageObserver` that recovery needs."""

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """As `RecoveryProgress`."""


class RecoveryReporter:
    """Reports the progress of a stage's recovery at each call, and logs it every `LOG_S`."""

    def __init__(
        self, *, partitions: Mapping[int, Partition], changelog: Changelog, observer: ObservesRecovery
    ) -> None:
        """`partitions`: a live view of those that the stage holds."""
        self._partitions, self._changelog, self._observer = partitions, changelog, observer
        self._logged_at = 0.0

    def report(self) -> None:
        """Report the progress, if any partition is recovering."""
        now = time.monotonic()
        if not any(partition.recovering for partition in self._partitions.values()):
            self._logged_at = now
            return
        reached = recovery_progress(self._partitions.values(), self._changelog.recovery_ends())
        self._observer.on_recovering(reached.partitions, of=reached.of, share=reached.share)
        if now - self._logged_at > LOG_S:
            self._logged_at = now
            log.info("%s", reached)
