"""The Faust app of one stage: which partitions it has, how they are taken over and left, and how it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import faust
from aiokafka import AIOKafkaProducer
from faust.tables.manager import TableManager
from faust.types import TP

from fraudstream.kafka.permissions import denial
from fraudstream.stream.checkpoints.checkpoint import Checkpoints
from fraudstream.stream.checkpoints.fencing import BatchWriter, ChangelogWriter, TransactionWriter, batch_producer
from fraudstream.stream.checkpoints.resumption import Resumption
from fraudstream.stream.decide import Decider
from fraudstream.stream.failure import PermanentFailure, exit_now, in_words
from fraudstream.stream.faust.transport import BatchConsumer, BatchProducer
from fraudstream.stream.labels import LabelForwarder
from fraudstream.stream.observer import StageObserver
from fraudstream.stream.outputs import Output
from fraudstream.stream.partition import Partition
from fraudstream.stream.rule_sets import rule_sets
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.state_versions import StateVersions
from fraudstream.stream.topics.cluster import Cluster

if TYPE_CHECKING:
    from fraudstream.engine.engine import Engine

log = logging.getLogger(__name__)


class StreamApp(faust.App):
    """Made by `build`. `partitions`: by number, those of the last assignment. `failure`: why it may not go on, if
    so."""

    logger = logging.getLogger("faust.app.stage")  # else mode writes its notes into our log
    settings: StreamSettings
    engine: Engine
    observer: StageObserver
    cluster: Cluster
    exits: bool

    def set_up(
        self, settings: StreamSettings, engine: Engine, observer: StageObserver, cluster: Cluster, exits: bool
    ) -> None:
        self.settings, self.engine, self.observer, self.cluster, self.exits = settings, engine, observer, cluster, exits
        self.partitions: dict[int, Partition] = {}
        self.failure: BaseException | None = None
        self.ended = asyncio.Event()
        self.checkpoints = Checkpoints(self)
        self.decider = Decider(self)
        self.rule_sets = rule_sets(settings, engine) if engine.decides else None
        self.versions = StateVersions(self)
        self.resumption = Resumption(settings, cluster, engine.stages)
        self.payments = self._output(settings.payments_topic) if settings.labels_topic is not None else None
        self.forwards = self._output(settings.next_topic) if settings.next_topic is not None else None
        decides = settings.next_topic is None
        self.decisions = self._output(settings.decisions_topic) if decides and settings.decisions else None
        self.alerts = self._output(settings.alerts_topic) if decides else None
        self.dead_letters = self._output(settings.dead_letters_topic)
        self.labels: LabelForwarder | None = None  # of the first stage
        self.checkpoint_producer: AIOKafkaProducer | None = None
        self._generation = 0

    @property
    def lists(self) -> BatchConsumer:
        return cast(BatchConsumer, self.consumer)

    @property
    def output_producer(self) -> AIOKafkaProducer:
        return cast(BatchProducer, self.producer)._ensure_producer()

    async def on_assigned(self, numbers: set[int]) -> None:
        """These partitions, and no others, are ours now: leave the rest, fence the previous owners of the new ones."""
        for number in set(self.partitions) - numbers:
            await self.partitions.pop(number).writer.close()
        new = [await self._partition(number) for number in sorted(numbers - set(self.partitions))]
        await asyncio.gather(*(partition.writer.fence(partition.epoch) for partition in new))  # waits for the broker
        topic = self.settings.changelog_topic
        extents = await self.lists.extents([TP(topic, partition.number) for partition in new])  # all that counts
        for partition in new:
            partition.changelog_begin, partition.changelog_due = extents[TP(topic, partition.number)]
            partition.changelog_read = partition.changelog_begin
            self.partitions[partition.number] = partition
        self.observer.on_assigned(sorted(numbers))

    async def resume(self, numbers: Iterable[int]) -> None:
        """The changelogs are read: check what they say, open the partitions that are new here, let lists in."""
        generation, recovery = self._generation, cast(TableManager, self.tables).recovery
        if recovery.in_recovery or recovery.signal_recovery_start.is_set():
            return  # Faust tells of a recovery that is over with the partitions of the next one
        for partition in [self.partitions[number] for number in sorted(numbers) if number in self.partitions]:
            async with partition.checkpoint_lock:
                if generation != self._generation:
                    return  # another rebalance began; its recovery comes here again
                if partition.recovering:
                    partition.check_read_back()
                    await self._open(partition)
                partition.check_whole()
                self.versions.resume(partition)
        undecided = {p.number for p in self.partitions.values() if p.cut_over or p.backfilling}
        log.info("judging partitions %s", sorted(set(numbers) - undecided))

    async def _open(self, partition: Partition) -> None:
        replay = partition.replay
        assert replay is not None, f"partition {partition.number} is not recovering"
        checkpoint, topic = replay.checkpoint, self.settings.input_topic
        earliest = (await self.consumer.earliest_offsets(TP(topic, partition.number)))[TP(topic, partition.number)]
        if checkpoint is None:
            if replay.records:
                raise PermanentFailure(
                    f"The changelog {self.settings.changelog_topic}-{partition.number} has {replay.records} records "
                    "but no checkpoint: an import did not come to its end, or it is not ours. Stop all workers, delete "
                    "the topic and run `fraudstream topics apply`; then import again, or let the workers judge the "
                    "payments anew."
                )
            self.versions.begin(partition)
            partition.begin = partition.next_offset = earliest
            if self.rule_sets is not None:
                await self.rule_sets.begin(partition.state, earliest)
        else:
            self.resumption.check(partition, checkpoint, earliest)
            if self.settings.checkpoint_mode == "transaction":  # the embedded broker tells a wrong end
                place = TP(topic, partition.number)
                self.resumption.check_end(place, checkpoint, (await self.lists.ends([place]))[place])
            partition.next_offset, partition.state.sources = checkpoint.next_offset, dict(checkpoint.sources)
            partition.begin, partition.seeded = checkpoint.begin, checkpoint.seeded
            partition.state.backfilling = checkpoint.backfilling
            partition.state.cut_over_to = checkpoint.cut_over_to
            if self.rule_sets is not None:
                partition.state.rule_set = checkpoint.rule_set
                named_by = f"the memory of {topic}-{partition.number}"
                if partition.only_opened:
                    await self.rule_sets.begin_again(partition.state, checkpoint.begin, named_by)
                else:
                    await self.rule_sets.resume(partition.state, named_by)
        if partition.begin > 0:
            partition.state.miss_the_beginning()
        partition.saved_offset = partition.next_offset
        await self.checkpoints.open(partition)
        if partition.only_opened and self.rule_sets is not None and self.rule_sets.lacks_controls(partition.begin):
            await self.checkpoints.keep_seed(partition)
        partition.replay = None
        partition.checkpoint_at = self._stagger(partition.number)
        self.observer.on_recovery(
            partition.number,
            seconds=time.monotonic() - partition.opened_at,
            records=replay.records,
            size=replay.size,
            next_offset=partition.next_offset,
        )

    def _stagger(self, number: int) -> float:
        """When the last checkpoint would have been, so that those of all partitions spread over the interval."""
        return time.monotonic() - self.settings.checkpoint_s * (number % 8) / 8

    def written_to(self, tp: TP) -> int:
        """Behind the last record of a changelog that this worker has read or written; 0 before the first."""
        partition = self.partitions.get(tp.partition) if tp.topic == self.settings.changelog_topic else None
        return 0 if partition is None or partition.changelog_end is None else partition.changelog_end + 1

    def seek_offsets(self, assignment: Iterable[TP]) -> Mapping[TP, int]:
        """Where each partition of the input goes on: where its memory stands."""
        topic = self.settings.input_topic
        return {
            tp: self.partitions[tp.partition].next_offset
            for tp in assignment
            if tp.topic == topic and tp.partition in self.partitions and not self.partitions[tp.partition].recovering
        }

    async def seek(self, partition: Partition) -> None:
        await self.lists.seek_partition(TP(self.settings.input_topic, partition.number), partition.next_offset)

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Partitions are revoked or the worker stops: a last checkpoint of each, in the time that the group allows."""
        self.observer.on_revoked()
        async with self.failing():
            self._generation += 1
            async with asyncio.timeout(self.settings.revoke_s_max):
                await self.checkpoints.take_last(self.partitions.values())
            await self.checkpoints.commit_group(self.partitions.values())

    def fail(self, error: BaseException) -> None:
        """Do not go on, and commit nothing more; in a process of its own, leave it."""
        if self.failure is not None:
            return
        if (denied := denial(error, self.settings.brokers)) is not None:
            error = PermanentFailure(denied)
        self.failure = error
        for partition in self.partitions.values():
            partition.frozen = True
        words = in_words(error)
        sentence = words if words is not None else f"{type(error).__name__}: {error}"
        log.critical("%s", sentence, exc_info=error if words is None else None)
        self.observer.on_failure(sentence)
        if self.exits:
            exit_now(error)
        self.ended.set()

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        """What is raised in here ends the worker; Faust would log it and go on, or acknowledge what failed."""
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.fail(error)
            raise

    async def _partition(self, number: int) -> Partition:
        state = self.engine.new_state()
        state.state_version = self.settings.state_version
        partitions = self.forwards.partitions if self.forwards is not None else 1
        partition = Partition(number, state, await self._writer(number), self.settings.checkpoint_mode, partitions)
        partition.learns = self.settings.backfill and not self.settings.stage_is_first
        return partition

    async def _writer(self, number: int) -> ChangelogWriter:
        if self.settings.checkpoint_mode == "transaction":
            return TransactionWriter(self.settings, number)
        if self.checkpoint_producer is None:
            producer = batch_producer(self.settings)
            await producer.start()
            self.checkpoint_producer = producer
        return BatchWriter(self.settings, number, self.checkpoint_producer)

    def _output(self, topic: str) -> Output:
        partitions = self.cluster.partitions
        aligned = self.settings.stage_is_first and partitions[topic] == partitions[self.settings.input_topic]
        return Output(topic, partitions[topic], aligned)
