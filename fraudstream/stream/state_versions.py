"""A new memory beside the one in use: built from the log by workers of the next state version, until a rule-set switch
in the log hands each partition over to them.

    log of a partition   ──payments───────────────────── switch to version 2 at X ── payments ──►
    version 1 (decides)     judges, answers ─────────────┤ last checkpoint, stops
    version 2 (--backfill)   from the beginning: learns ──┤ judges, answers ──────────────────────►

With several stages it is the first one's log: what stands there before the switch goes on as learnt, and the last stage
answers only the rest; the last stage of version 1 answers all that came to it.

Who decides a record is a function of the log: none is decided by both, or by neither.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from faust.types import TP

from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.arena import NEVER
from fraudstream.stream.failure import PermanentFailure

if TYPE_CHECKING:
    from fraudstream.stream.faust.app import StreamApp
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.settings import StreamSettings

SAY_S = 10.0

log = logging.getLogger(__name__)


def check_version(settings: StreamSettings) -> None:
    """Raises `PermanentFailure` for a rebuild of the version that decides."""
    if settings.backfill and settings.state_version == 1:
        raise PermanentFailure(
            "--backfill builds a memory beside the one in use, under a state version of its own: set "
            "worker.state_version to 2 (or the next one), run `fraudstream topics apply`, then start again."
        )


class StateVersions:
    """Of one app: which of its partitions it decides, and what it says about the others."""

    def __init__(self, app: StreamApp) -> None:
        self._app = app
        self._said_at = 0.0

    def begin(self, partition: Partition) -> None:
        """The partition has no memory of this version yet. Raises `PermanentFailure` unless it may begin one."""
        settings, version = self._app.settings, self._app.settings.state_version
        partition.state.backfilling = settings.backfill and settings.stage_is_first
        if version > 1 and not settings.backfill:
            raise PermanentFailure(
                f"State version {version} has no memory of {settings.input_topic}-{partition.number} yet. Build it "
                "beside the running workers with `fraudstream worker --backfill`, or bring back an export with "
                "`fraudstream state import`."
            )

    def resume(self, partition: Partition) -> None:
        """The partition's memory is read back, or begun: judge, build, or leave it to whom it was handed over."""
        partition.frozen = partition.cut_over
        if partition.cut_over:
            self._report_cut_over(partition)
        elif partition.backfilling:
            log.info("partition %d: building the memory from offset %d on", partition.number, partition.next_offset)
            sentence = f"building the memory of state version {self._app.settings.state_version}"
            self._app.observer.on_undecided(partition.number, sentence=sentence, backfilling=True)
        elif self._app.rule_sets is not None:
            self._app.observer.on_decided(partition.number, rule_set=partition.state.rule_set)

    def decide_from_here(self, partition: Partition) -> None:
        """A switch in the log has named this version, or what it decides has come from the stage before."""
        partition.learns = False
        version, judges = self._app.settings.state_version, self._app.rule_sets is not None
        log.warning(
            "partition %d: built; state version %d decides it from now on%s",
            partition.number,
            version,
            f", with the rule set {partition.state.rule_set}" if judges else "",
        )
        self._app.observer.on_decided(partition.number, rule_set=partition.state.rule_set if judges else None)

    async def cut_over(self, partition: Partition) -> None:
        """A switch in the log has named a later version: keep what is judged, and stop."""
        await self._app.checkpoints.take(partition, freeze=True)
        self._report_cut_over(partition)

    def log_backfill_progress(self) -> None:
        """How far the memories are that are building, every few seconds."""
        backfilling = [partition for partition in self._app.partitions.values() if partition.backfilling]
        if not backfilling or time.monotonic() - self._said_at < SAY_S:
            return
        self._said_at = time.monotonic()
        topic, lists = self._app.settings.input_topic, self._app.lists
        behind = sum(
            max(0, lists.end_now(TP(topic, partition.number)) - partition.next_offset) for partition in backfilling
        )
        log.info(
            "building state version %d: %d partitions, %s records behind, event time reached %s",
            self._app.settings.state_version,
            len(backfilling),
            f"{behind:,}",
            _moment(min(partition.state.watermark_ms for partition in backfilling)),
        )

    def _report_cut_over(self, partition: Partition) -> None:
        to, offset = partition.state.cut_over_to, partition.next_offset - 1
        when = "" if self._app.forwards is None else " when no stage behind has any lag"
        sentence = f"handed over to state version {to} at offset {offset}; stop this worker{when}"
        log.warning("partition %d: %s", partition.number, sentence)
        self._app.observer.on_undecided(partition.number, sentence=sentence, backfilling=False)


def _moment(event_time_ms: int) -> str:
    if event_time_ms == NEVER:
        return "none yet"
    return utc_text(event_time_ms)
