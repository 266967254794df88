"""The Faust app of one stage: it passes Faust's callbacks to the stage, and gives the transport its offsets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

import faust
from faust.tables.manager import TableManager
from faust.types import TP

from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stage import Stage
from fraudstream.stream.topics.cluster import Cluster


class StreamApp(faust.App):
    """Made by `build`, which sets the attributes. The other modules of this folder reach the stage through it, because
    Faust gives its transports and stores nothing but the app."""

    logger = logging.getLogger("faust.app.stage")  # else mode logs under our logger
    stage: Stage
    settings: StreamSettings
    cluster: Cluster

    def set_stage(self, stage: Stage) -> None:
        """Called once, before the app starts."""
        self.stage, self.settings, self.cluster = stage, stage.settings, stage.cluster

    def fail(self, error: BaseException) -> None:
        """End the worker: see `FailureHandler.fail`."""
        self.stage.failure.fail(error)

    async def on_changelogs_read(self, numbers: Iterable[int]) -> None:
        """Faust's recovery is complete. Faust reports the end of one recovery with the partitions of the next one, if
        that has begun or is about to: those are not restored yet."""
        recovery = cast(TableManager, self.tables).recovery
        if recovery.in_recovery or recovery.signal_recovery_start.is_set():
            return
        await self.stage.assignment.resume(numbers)

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Partitions are revoked: a last checkpoint of each."""
        await self.stage.assignment.on_revoked()

    def written_to(self, tp: TP) -> int:
        """The offset after the last record of a changelog that this worker has read or written; 0 before the first."""
        if tp.topic != self.settings.changelog_topic:
            return 0
        return self.stage.assignment.changelog_written_to(tp.partition)

    def seek_offsets(self, assignment: Iterable[TP]) -> Mapping[TP, int]:
        """The offset at which each partition of the input continues: the position of its state."""
        topic, positions = self.settings.input_topic, self.stage.assignment.positions()
        return {tp: positions[tp.partition] for tp in assignment if tp.topic == topic and tp.partition in positions}

    @property
    def stopped(self) -> frozenset[TP]:
        """The partitions of the input that are not processed; may be read in any thread."""
        return frozenset(TP(self.settings.input_topic, number) for number in self.stage.stopped.numbers)

    def resume_labels(self, offsets: Mapping[TP, int]) -> None:
        """`offsets`: at which assigned partitions continue, those of the labels topic among them."""
        if self.stage.labels is not None:
            topic = self.settings.labels_topic
            self.stage.labels.resume({tp.partition: offset for tp, offset in offsets.items() if tp.topic == topic})
