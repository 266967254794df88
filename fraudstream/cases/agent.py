"""The case agent on Kafka: alerts and analysts' actions in, cases out, each input handled exactly once in effect.

A step is a short list of alerts, or of actions, of one partition:
    1. the book of the partition says, one by one, what the cases become (repeats and refusals change nothing);
    2. labels of closed cases go to the log of payments, and are durable;
    3. the cases go to `cases`, each record with the position behind the input that caused it, and are durable;
    4. the view is told.
Offsets are committed to the group only after that, for lag dashboards alone. The truth is the position in the newest
case: whoever takes a partition over becomes its only writer, reads its cases back, and goes on from there.
    killed before 3: the step is done again from the same state; its labels say the same twice.
    killed within 3, in plain mode: the successor goes on behind the last record that is durable.
    killed after 3: the successor goes on behind the step.
Alerts and actions are two topics: their order among each other is not in the log, so the position holds both. Refusals
and repeats emit nothing and are met again by the next owner: nothing has changed since, so they are refused again.
The position names the topics by their ids: of topics that were made anew its offsets mean nothing, so it is refused.

Agents with one `group` share the partitions. Any error that leaves a step in doubt ends the agent; its supervisor
starts it again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from mode import Service

from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.cluster import check_partitions, connect
from fraudstream.cases.emission import FencedEmission, PlainEmission
from fraudstream.cases.failure import AgentError, in_words
from fraudstream.cases.lag_monitor import CaseLogs, input_offsets
from fraudstream.cases.observer import Observer, Unobserved
from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import Position
from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.view import CaseView
from fraudstream.cases.view_writer import ViewWriter
from fraudstream.kafka.closing import close
from fraudstream.kafka.lag_monitor import LagMonitor
from fraudstream.kafka.offset_gaps import OffsetGaps
from fraudstream.kafka.outage_logger import SAY_S, OutageLogger
from fraudstream.kafka.permissions import denial

POLL_MS: Final = 200
RECORDS_MAX: Final = 200
COMMIT_S: Final = 2.0
STOP_S: Final = 10.0
DRAIN_S: Final = 3.0
LOOK_S: Final = 2.0

log = logging.getLogger(__name__)
# mode tells of starts, stops and crashes, these with a trace; what is worth a word of them we say ourselves.
mode_log = logging.getLogger("mode.cases")
mode_log.setLevel(logging.CRITICAL)


class CaseAgent(Service):
    """A Faust service: `await agent.start()`, `await agent.wait_until_stopped()`, `await agent.stop()`; `crash_reason`
    says why it ended."""

    logger = mode_log

    def __init__(self, settings: AgentSettings, observer: Observer | None = None, view: CaseView | None = None) -> None:
        super().__init__()
        self._settings = settings
        self._observer = observer or Unobserved()
        self._view = view or CaseView(settings.redis_url)
        self._case_log = CaseLog(settings.brokers, settings.cases_topic, settings.fetch_wait_ms, settings.fenced)
        self._writer = ViewWriter(self._view, self._case_log, self._observer)
        self._emission = (
            FencedEmission(settings.brokers, settings.group) if settings.fenced else PlainEmission(settings.brokers)
        )
        self._desks: dict[int, CaseProcessor] = {}  # partitions taken over
        self._assigned: frozenset[int] = frozenset()
        self._step = asyncio.Lock()  # held during a step, so that a revocation waits for its end
        self._working = asyncio.Lock()  # held while the loop runs
        self._committed: dict[TopicPartition, int] = {}
        self._recovering_said_at = 0.0

    async def on_start(self) -> None:
        settings = self._settings
        log.info(
            "cases of %s on %s: %s",
            settings.alerts_topic,
            settings.cases_topic,
            "fenced by transactions" if settings.fenced else "plain mode, nobody is fenced: run one agent only",
        )
        await connect(settings, self._emission, self._observer)
        try:
            await check_partitions(settings, self._emission)
            self._input_ids = [await self._emission.identity_of(topic) for topic in settings.input_topics]
            await self._join()
        except BaseException as error:
            await self._emission.stop()
            if (denied := denial(error, settings.brokers)) is not None:
                raise AgentError(denied) from error
            raise

    async def _join(self) -> None:
        settings = self._settings
        self._consumer = AIOKafkaConsumer(
            **settings.brokers.options(),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed" if settings.fenced else "read_uncommitted",
            fetch_max_wait_ms=settings.fetch_wait_ms,
            session_timeout_ms=round(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=round(settings.session_timeout_s * 1000 / 5),
            # By topic, in order of partitions: equal numbers of alerts and actions meet in one agent.
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        self._lag_monitor = LagMonitor(
            held=self._desks,
            log=CaseLogs(settings, self._consumer, self._desks),
            outage=OutageLogger(settings.brokers, log),
            observer=self._observer,
        )
        self._offset_gaps = None if settings.fenced else OffsetGaps(self._consumer)
        self._consumer.subscribe(settings.input_topics, listener=_Rebalance(self))
        try:
            await self._consumer.start()
        except BaseException:
            await close(self._consumer)
            raise

    async def on_stop(self) -> None:
        try:
            async with asyncio.timeout(STOP_S), self._working:  # the step in hand ends first
                if self.crash_reason is None:
                    await self._commit()
        except TimeoutError:
            log.warning("the step in hand did not end within %.0f s: left to the successor", STOP_S)
        await self._writer.drain(DRAIN_S)
        await close(self._consumer)
        await self._emission.stop()
        await self._view.close()

    async def crash(self, reason: BaseException) -> None:
        """End the agent: it is in doubt what is durable, or it can do nothing useful."""
        if (denied := denial(reason, self._settings.brokers)) is not None:
            reason = AgentError(denied)
        if self.crash_reason is None:
            sentence = in_words(reason)
            log.critical("%s", sentence or repr(reason), exc_info=None if sentence is not None else reason)
            self._observer.on_failure(sentence or repr(reason))
        await super().crash(reason)

    @Service.task
    async def _write_view(self) -> None:
        await self._writer.run()

    @Service.task
    async def _work(self) -> None:
        try:
            await self._handle_all()
        except asyncio.CancelledError:
            if not self.should_stop:  # a library's, not ours: mode would let the task end in silence
                raise AgentError("the agent's loop was cancelled from within: start it again.") from None
            raise

    async def _handle_all(self) -> None:
        async with self._working:
            committed_at = time.monotonic()
            while not self.should_stop:
                await self._take_over()
                fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for tp, records in fetched.items():
                    await self._handle(tp, records)
                self._lag_monitor.report({tp.partition for tp in fetched} & self._desks.keys(), {})
                if time.monotonic() - committed_at >= COMMIT_S:
                    async with self._step:
                        await self._commit()
                    committed_at = time.monotonic()

    async def _handle(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """One step."""
        async with self._step:
            processor = self._desks.get(tp.partition)
            if processor is None or self.should_stop:
                return  # not ours any more, or not read back yet: whoever takes it over starts at its own position
            if self._offset_gaps is not None:
                due = input_offsets(self._settings, tp.partition, processor.position)[tp]
                records = self._offset_gaps.before(tp, due, records)
            handle = processor.alert if tp.topic == self._settings.alerts_topic else processor.action
            for record in records:
                handle(record)
            await processor.emit()
        self._observer.on_step(tp.partition)

    async def _take_over(self) -> None:
        """Read back the cases of partitions that were assigned since, and go to where they left off."""
        for partition in sorted(self._assigned - self._desks.keys()):
            assigned = self._assigned
            started = time.monotonic()
            await self._emission.take_over(partition)
            store, position, end = await self._case_log.restore(partition, partial(self._tell_recovery, started))
            if self._assigned is not assigned:
                return  # a rebalance since: begin again with the partitions that are ours now
            position = self._checked(partition, position)
            try:
                for tp, offset in input_offsets(self._settings, partition, position).items():
                    self._consumer.seek(tp, offset)
            except IllegalStateError:
                return  # the same: no longer assigned
            self._desks[partition] = CaseProcessor(
                partition, store, position, self._settings, self._emission, self._writer, self._observer
            )
            seconds = time.monotonic() - started
            log.info(
                "partition %d: %d open cases, on from %s, read in %.1f s",
                partition,
                store.open_cases,
                position,
                seconds,
            )
            self._observer.on_recovery(partition, seconds=seconds, cases=sum(1 for _ in store))
            self._observer.on_open_cases(partition, cases=store.open_cases)
            self._writer.assign({**self._writer.ends, partition: end})

    def _checked(self, partition: int, position: Position) -> Position:
        """The position, if it is one in the topics as they are now. Raises `AgentError`."""
        known = (position.alerts_id, position.case_actions_id)
        for topic, id_then, id_now in zip(self._settings.input_topics, known, self._input_ids, strict=True):
            if id_then not in ("", id_now):
                raise AgentError(
                    f"The topic '{topic}' is not the one that the cases of partition {partition} come from (id "
                    f"{id_then}, now {id_now}): it was created again, so its offsets mean other records. To group what "
                    f"it holds, stop all case agents, delete the topic '{self._settings.cases_topic}' and run "
                    "`fraudstream topics apply`."
                )
        alerts_id, case_actions_id = self._input_ids
        return msgspec.structs.replace(position, alerts_id=alerts_id, case_actions_id=case_actions_id)

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """The group gave us these partitions: nothing is handled before they are taken over, by the loop."""
        by_topic = {
            topic: {tp.partition for tp in partitions if tp.topic == topic} for topic in self._settings.input_topics
        }
        alerts, actions = by_topic.values()
        if alerts != actions:
            await self.crash(
                AgentError(
                    f"alerts of partitions {sorted(alerts)} but actions of {sorted(actions)}: make the counts equal."
                )
            )
            return
        self._assigned = frozenset(alerts)
        self._observer.on_assigned(sorted(alerts))

    async def revoked(self) -> None:
        """The group takes the partitions back, after the step in hand."""
        self._observer.on_revoked()
        async with self._step:
            self._assigned = frozenset()
            await self._commit()
            for partition in list(self._desks):
                await self._emission.let_go(partition)
            self._desks.clear()
            self._committed.clear()
            self._writer.assign({})

    async def _commit(self) -> None:
        """Tell the group how far we are. It may fail: nothing depends on it."""
        offsets = {
            tp: offset
            for partition, processor in self._desks.items()
            for tp, offset in input_offsets(self._settings, partition, processor.position).items()
        }
        offsets = {tp: offset for tp, offset in offsets.items() if self._committed.get(tp, 0) != offset}
        if not offsets:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), self._settings.session_timeout_s / 2)
            self._committed |= offsets
        except (KafkaError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            log.warning("offsets not committed, the group's lag is out of date: %s", why)

    def _tell_recovery(self, began: float, share: float) -> None:
        """`share` of one partition is read back, after others; `began`: when that one was begun with."""
        assigned, left = len(self._assigned), len(self._assigned - self._desks.keys())
        if not left:
            return  # revoked meanwhile
        done = (assigned - left + share) / assigned
        self._observer.on_recovering(left, of=assigned, share=done)
        if time.monotonic() - max(began, self._recovering_said_at) > SAY_S:
            self._recovering_said_at = time.monotonic()
            log.info("recovering %d of %d partitions, %d %%", left, assigned, int(done * 100))

    @Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_S)
            await self._lag_monitor.look()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka logs what a listener raises and goes on: so these only take notes."""

    def __init__(self, agent: CaseAgent) -> None:
        self._agent = agent

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._agent.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._agent.assigned(list(assigned))
