"""The checkpoint protocol: memory and position become durable together, partition by partition.

1. At a batch boundary, under the partition's lock and without an await, copy what changed and the next offset X. The
   lock is held from applying a list to handing over its last answer, so every answer up to X is among the pending ones.
2. Await the acknowledgement of every decision, alert and dead letter up to X.
3. Write the changed rows and one record {X, input topic id, rule set, layout, ...} as one thing (see `fencing`): a
   Kafka transaction begun only now, or one record batch. Bounded in time.
4. Commit X to the consumer group as well, for lag dashboards; nothing reads it back, so a failure here is only logged.

An error in 1 to 3 ends the process: what was copied is no longer marked as changed. The next owner goes on from the
last checkpoint, judges the payments since again, and sends the same answers under the same ids. Should a checkpoint be
broken off without one, by a cancellation, the partition stays `checkpoint_incomplete`, and a further checkpoint is refused.

An owner's first checkpoint comes before its first payment and holds its position without rows: so the position is known
even if the owner dies before the next one, and what a previous owner left unfinished is closed (see `changelog`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from faust.types import TP

from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, Change, CheckpointRecord, encode_checkpoint

if TYPE_CHECKING:
    from fraudstream.stream.faust.app import StreamApp
    from fraudstream.stream.partition import Partition

TICK_S = 0.05
AT_ONCE = 4  # a transaction mostly waits for the broker; each is copied while nothing else runs
GROUP_COMMIT_S_MAX = 0.5

log = logging.getLogger(__name__)


class Checkpoints:
    def __init__(self, app: StreamApp) -> None:
        self._app = app
        self._in_hand: asyncio.Future[list[None]] | None = None

    async def run(self) -> None:
        """Take each partition's checkpoint when it is due, a few at once, until cancelled.

        Checkpoints in hand are ended even then: their rows are no longer marked as changed, so the last checkpoint,
        which waits for them, would not write them.
        """
        while True:
            await asyncio.sleep(TICK_S)
            due = [partition for partition in self._app.partitions.values() if self._due(partition)]
            for first in range(0, len(due), AT_ONCE):
                self._in_hand = asyncio.gather(*map(self._take_whole, due[first : first + AT_ONCE]))
                await asyncio.shield(self._in_hand)
            if due:
                await self.commit_group(due)

    async def _take_whole(self, partition: Partition) -> None:
        async with self._app.failing():
            await self.take(partition)

    async def take_last(self, partitions: Iterable[Partition]) -> None:
        """The last checkpoints before partitions leave: after it, nothing is applied to them."""
        await asyncio.gather(*(self.take(partition, freeze=True) for partition in partitions))

    async def take(self, partition: Partition, freeze: bool = False) -> None:
        async with partition.checkpoint_lock:
            async with partition.lock:  # 1
                live, partition.frozen = not partition.frozen, partition.frozen or freeze
                next_offset, applied = partition.next_offset, partition.applied
                partition.checkpoint_at = time.monotonic()
                if not live or next_offset == partition.saved_offset:
                    return
                partition.check_whole()
                changes = _copied(partition)
                record, pending = self._record(partition), partition.take_pending()
                partition.applied = 0
            await asyncio.gather(*pending)  # 2
            size = await self._write(partition, changes, record)  # 3
            partition.checkpoint_incomplete = False
            if applied:
                partition.bytes_a_payment = size / applied

    async def open(self, partition: Partition) -> None:
        """The first checkpoint of a new owner. The caller holds the partition's checkpoint lock."""
        await self._write(partition, [], self._record(partition))

    async def keep_seed(self, partition: Partition) -> None:
        """Behind `open`, before the first payment: what stood in for controls is the same for whoever comes next."""
        partition.seeded = True
        await self._write(partition, _copied(partition), self._record(partition))
        partition.checkpoint_incomplete = False

    def _record(self, partition: Partition) -> CheckpointRecord:
        """Where the partition stands now."""
        app, state = self._app, partition.state
        return CheckpointRecord(
            next_offset=partition.next_offset,
            input_topic=app.settings.input_topic,
            input_id=app.cluster.input_id,
            rule_set=state.rule_set,
            layout=state.layout,
            mode=app.settings.checkpoint_mode,
            epoch=partition.epoch,
            begin=partition.begin,
            backfilling=state.backfilling,
            cut_over_to=state.cut_over_to,
            seeded=partition.seeded,
            sources=dict(state.sources),
            next_topic=app.settings.next_topic or "",
            next_id=app.cluster.next_id,
            next_partitions=app.cluster.next_partitions,
        )

    async def _write(self, partition: Partition, changes: list[Change], record: CheckpointRecord) -> int:
        app, started, next_offset = self._app, time.monotonic(), record.next_offset
        assert next_offset >= partition.saved_offset, (
            f"{app.settings.input_topic}-{partition.number}: checkpoint at {next_offset}, "
            f"the one before at {partition.saved_offset}"
        )
        checkpoint = Change(CHECKPOINT_KEY, encode_checkpoint(record))
        partition.changelog_end = await partition.writer.write([*changes, checkpoint])
        partition.saved_offset = next_offset
        size = sum(len(key) + len(value) for key, value in changes) + len(checkpoint.key) + len(checkpoint.value)
        app.observer.on_checkpoint(
            partition.number,
            seconds=time.monotonic() - started,
            records=len(changes) + 1,
            size=size,
            next_offset=next_offset,
        )
        return size

    async def commit_group(self, partitions: Iterable[Partition]) -> None:  # 4
        topic = self._app.settings.input_topic
        offsets = {TP(topic, p.number): p.saved_offset for p in partitions if p.saved_offset >= 0}
        try:
            async with asyncio.timeout(GROUP_COMMIT_S_MAX):
                await self._app.lists.commit_group_offsets(offsets)
        except Exception as error:  # dashboards lag, nothing else
            log.debug("the group's offsets, kept for dashboards, were not committed: %r", error)

    def _due(self, partition: Partition) -> bool:
        if partition.frozen:
            return False
        settings = self._app.settings
        waited = time.monotonic() - partition.checkpoint_at
        return waited >= settings.checkpoint_s or partition.dirty_bytes >= settings.checkpoint_bytes_max


def _copied(partition: Partition) -> list[Change]:
    """What changed, from now on no longer marked as changed: until it is durable, the partition is torn."""
    partition.checkpoint_incomplete = True
    return [Change(key, value) for key, value in partition.state.changes()]
