"""Backfill and cut-over: a new state version is built from the log by workers beside those that decide, until a
rule-set switch in the log names it.

    log of a partition   ──payments───────────────────── switch to version 2 at X ── payments ──►
    version 1 (decides)     decides ─────────────────────┤ last checkpoint, stops
    version 2 (--backfill)   from the beginning: backfills ┤ decides ────────────────────────────►

With several stages it is the first one's log: what is before the switch is forwarded as backfilled, and the last stage
decides only the rest; the last stage of version 1 decides everything that was forwarded to it.

Which version decides a record is a function of the log: none is decided by both, or by neither.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.arena import NEVER
from fraudstream.stream.failure import PermanentFailure

if TYPE_CHECKING:
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import InputLog
    from fraudstream.stream.settings import StreamSettings

PROGRESS_S = 10.0  # between two log messages about a backfill

log = logging.getLogger(__name__)


def check_version(settings: StreamSettings) -> None:
    """Raises `PermanentFailure` for a backfill of state version 1, which decides."""
    if settings.backfill and settings.state_version == 1:
        raise PermanentFailure(
            "--backfill builds a state beside the one in use, under a state version of its own: set "
            "worker.state_version to 2 (or the next one), run `fraudstream topics apply`, then start again."
        )


class TakesCheckpoints(Protocol):
    """The part of `Checkpoints` that a cut-over needs."""

    async def take(self, partition: Partition, freeze: bool = False) -> None:
        """Take a checkpoint; with `freeze` nothing is applied to the partition afterwards."""


class StateVersions:
    """Which partitions of a stage this worker's state version decides, and what is reported about the others."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        partitions: Mapping[int, Partition],
        checkpoints: TakesCheckpoints,
        input_log: InputLog,
        observer: StageObserver,
    ) -> None:
        """`partitions`: a live view of those that the stage holds."""
        self._settings, self._partitions, self._checkpoints = settings, partitions, checkpoints
        self._input_log, self._observer = input_log, observer
        self._judges = settings.next_topic is None
        self._logged_at = 0.0

    def begin(self, partition: Partition) -> None:
        """The partition has no state of this version yet. Raises `PermanentFailure` unless it may begin one."""
        settings, version = self._settings, self._settings.state_version
        partition.state.backfilling = settings.backfill and settings.stage_is_first
        if version > 1 and not settings.backfill:
            raise PermanentFailure(
                f"State version {version} has no state of {settings.input_topic}-{partition.number} yet. Build it "
                "beside the running workers with `fraudstream worker --backfill`, or restore an export with "
                "`fraudstream state import`."
            )

    def resume(self, partition: Partition) -> None:
        """The partition's state is restored or begun: decide it, backfill it, or leave it frozen if it was cut over."""
        partition.frozen = partition.cut_over
        if partition.cut_over:
            self._report_cut_over(partition)
        elif partition.backfilling:
            log.info("partition %d: backfilling from offset %d", partition.number, partition.next_offset)
            sentence = f"backfilling state version {self._settings.state_version}"
            self._observer.on_undecided(partition.number, sentence=sentence, backfilling=True)
        elif self._judges:
            self._observer.on_decided(partition.number, rule_set=partition.state.rule_set)

    def start_deciding(self, partition: Partition) -> None:
        """The backfill is over: a switch in the log has named this version, or the stage before has forwarded a record
        to be decided."""
        partition.backfilled_only = False
        log.warning(
            "partition %d: backfilled; state version %d decides it from now on%s",
            partition.number,
            self._settings.state_version,
            f", with the rule set {partition.state.rule_set}" if self._judges else "",
        )
        self._observer.on_decided(partition.number, rule_set=partition.state.rule_set if self._judges else None)

    async def cut_over(self, partition: Partition) -> None:
        """A switch in the log has named a later version: take a last checkpoint and freeze the partition."""
        await self._checkpoints.take(partition, freeze=True)
        self._report_cut_over(partition)

    def log_backfill_progress(self) -> None:
        """Log how far the backfill has got, at most every `PROGRESS_S`."""
        backfilling = [partition for partition in self._partitions.values() if partition.backfilling]
        if not backfilling or time.monotonic() - self._logged_at < PROGRESS_S:
            return
        self._logged_at = time.monotonic()
        behind = sum(
            max(0, self._input_log.end_now(partition.number) - partition.next_offset) for partition in backfilling
        )
        log.info(
            "backfilling state version %d: %d partitions, %s records behind, event time reached %s",
            self._settings.state_version,
            len(backfilling),
            f"{behind:,}",
            _time_text(min(partition.state.watermark_ms for partition in backfilling)),
        )

    def _report_cut_over(self, partition: Partition) -> None:
        to, offset = partition.state.cut_over_to, partition.next_offset - 1
        when = "" if self._judges else " when no later stage has any lag"
        sentence = f"cut over to state version {to} at offset {offset}; stop this worker{when}"
        log.warning("partition %d: %s", partition.number, sentence)
        self._observer.on_undecided(partition.number, sentence=sentence, backfilling=False)


def _time_text(event_time_ms: int) -> str:
    if event_time_ms == NEVER:
        return "none yet"
    return utc_text(event_time_ms)
