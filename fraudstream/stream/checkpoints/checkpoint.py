"""The checkpoint protocol: state and position become durable together, partition by partition.

1. At a batch boundary, under the partition's lock and without an await, copy the changed rows and the next offset X.
   The lock is held from applying a batch until its last output is passed to the producer, so every output up to X is
   among the pending ones.
2. Await the acknowledgement of every decision, alert and dead letter up to X.
3. Write the changed rows and one record {X, input topic id, rule set, layout, ...} as one unit (see `fencing`): a
   Kafka transaction begun only now, or one record batch. Bounded in time.
4. Commit X to the consumer group as well, for lag dashboards; nothing reads it back, so a failure here is only logged.

An error in 1 to 3 ends the process: what was copied is no longer marked as changed. The next owner continues from the
last checkpoint, decides the later payments again, and sends the same decisions and alerts under the same ids. If a
checkpoint is cancelled instead, the partition stays `checkpoint_incomplete`, and a further checkpoint is refused.

An owner's first checkpoint comes before its first payment and holds its position without rows: so the position is known
even if the owner dies before the next one, and an incomplete checkpoint of a previous owner is ended (see `changelog`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fraudstream import __version__
from fraudstream.engine.packed_records import PackedRecords, pack_pairs
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY
from fraudstream.stream.checkpoints.checkpoint_record import CHECKPOINT_VERSION, CheckpointRecord, encode_checkpoint

if TYPE_CHECKING:
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import FailureHandler, OffsetCommits
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.stream.topics.cluster import Cluster

TICK_S = 0.05
AT_ONCE = 4  # a transaction mostly waits for the broker; each copy is made while nothing else runs
GROUP_COMMIT_S_MAX = 0.5

log = logging.getLogger(__name__)


class Checkpoints:
    """Takes the checkpoints of a stage's partitions. Errors in 1 to 3 are raised, or passed to `failure` in `run`."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        cluster: Cluster,
        partitions: Mapping[int, Partition],
        commits: OffsetCommits,
        failure: FailureHandler,
        observer: StageObserver,
    ) -> None:
        """`partitions`: a live view of those that the stage holds. `commits`: to the group, of the input topic."""
        self._settings, self._cluster, self._partitions = settings, cluster, partitions
        self._commits, self._failure, self._observer = commits, failure, observer
        self._in_progress: asyncio.Future[list[None]] | None = None

    async def run(self) -> None:
        """Take each partition's checkpoint when it is due, a few at once, until cancelled.

        Checkpoints in progress are finished even then: their rows are no longer marked as changed, so the last
        checkpoint, which waits for them, would not write them.
        """
        while True:
            await asyncio.sleep(TICK_S)
            due = [partition for partition in self._partitions.values() if self._due(partition)]
            for first in range(0, len(due), AT_ONCE):
                self._in_progress = asyncio.gather(*map(self._take_or_fail, due[first : first + AT_ONCE]))
                await asyncio.shield(self._in_progress)
            if due:
                await self.commit_group(due)

    async def _take_or_fail(self, partition: Partition) -> None:
        async with self._failure.failing():
            await self.take(partition)

    async def take_last(self, partitions: Iterable[Partition]) -> None:
        """The last checkpoints before partitions are revoked: afterwards nothing is applied to them."""
        await asyncio.gather(*(self.take(partition, freeze=True) for partition in partitions))

    async def take(self, partition: Partition, freeze: bool = False) -> None:
        """Take a checkpoint, unless the partition is frozen or nothing was applied since the last one.

        `freeze`: nothing is applied to the partition afterwards. Raises `WorkerFailure` if the checkpoint before was
        cancelled, the error of an output that was not acknowledged, and what the changelog writer raises.
        """
        async with partition.checkpoint_lock:
            async with partition.lock:  # 1
                live, partition.frozen = not partition.frozen, partition.frozen or freeze
                next_offset, applied = partition.next_offset, partition.applied
                partition.checkpoint_at = time.monotonic()
                if not live or next_offset == partition.saved_offset:
                    return
                partition.check_checkpoint_complete()
                changes = _take_changes(partition)
                record, pending = self._record(partition), partition.take_pending()
                partition.applied = 0
            await asyncio.gather(*pending)  # 2
            size = await self._write(partition, changes, record)  # 3
            partition.checkpoint_incomplete = False
            if applied:
                partition.bytes_per_event = size / applied

    async def open(self, partition: Partition) -> None:
        """The first checkpoint of a new owner. The caller holds the partition's checkpoint lock."""
        await self._write(partition, [], self._record(partition))

    async def write_seed(self, partition: Partition) -> None:
        """After `open`, before the first payment or the first one after a gap: write the list entries that replace
        controls missing from the log, so that the next owner has the same."""
        partition.seeded = True
        await self._write(partition, _take_changes(partition), self._record(partition))
        partition.checkpoint_incomplete = False

    def _record(self, partition: Partition) -> CheckpointRecord:
        """The checkpoint record of the partition as it is now."""
        settings, cluster, state = self._settings, self._cluster, partition.state
        return CheckpointRecord(
            next_offset=partition.next_offset,
            input_topic=settings.input_topic,
            input_id=cluster.input_id,
            rule_set=state.rule_set,
            layout=state.layout,
            mode=settings.checkpoint_mode,
            epoch=partition.epoch,
            begin=partition.begin,
            backfilling=state.backfilling,
            cut_over_to=state.cut_over_to,
            seeded=partition.seeded,
            resumed_at=partition.resumed_at,
            key_fingerprint=state.key_fingerprint,
            sources=dict(state.sources),
            next_topic=settings.next_topic or "",
            next_id=cluster.next_id,
            next_partitions=cluster.next_partitions,
            release=__version__,
            schema_version=CHECKPOINT_VERSION,
        )

    async def _write(self, partition: Partition, changes: list[PackedRecords], record: CheckpointRecord) -> int:
        """Write one checkpoint; returns its size, bytes of keys and values."""
        started, next_offset = time.monotonic(), record.next_offset
        assert next_offset >= partition.saved_offset, (
            f"{self._settings.input_topic}-{partition.number}: checkpoint at {next_offset}, "
            f"the one before at {partition.saved_offset}"
        )
        records = [*changes, pack_pairs([(CHECKPOINT_KEY, encode_checkpoint(record))])]
        partition.changelog_end = await partition.writer.write(records)
        partition.saved_offset = next_offset
        size = sum(part.size for part in records)
        self._observer.on_checkpoint(
            partition.number,
            seconds=time.monotonic() - started,
            records=sum(part.n for part in records),
            size=size,
            next_offset=next_offset,
        )
        return size

    async def commit_group(self, partitions: Iterable[Partition]) -> None:  # 4
        """Commit the saved offsets to the consumer group, for lag dashboards. Bounded in time; never raises."""
        offsets = {p.number: p.saved_offset for p in partitions if p.saved_offset >= 0}
        try:
            async with asyncio.timeout(GROUP_COMMIT_S_MAX):
                await self._commits.commit(offsets)
        except Exception as error:  # only dashboards need them
            log.debug("offsets were not committed to the group (dashboards only): %s", kafka_error_text(error))

    def _due(self, partition: Partition) -> bool:
        if partition.frozen:
            return False
        elapsed_s = time.monotonic() - partition.checkpoint_at
        return elapsed_s >= self._settings.checkpoint_s or partition.dirty_bytes >= self._settings.checkpoint_bytes_max


def _take_changes(partition: Partition) -> list[PackedRecords]:
    """The changed rows, which are no longer marked as changed: until they are durable, the checkpoint is incomplete."""
    partition.checkpoint_incomplete = True
    return partition.state.take_changes()
