"""The case agent on Kafka: consumes alerts, analysts' actions and customers' answers, produces cases and notices. Each
input takes effect exactly once.

A step handles a few alerts, actions or answers of one partition:
    1. the partition's `CaseProcessor` computes the cases after each of them (repeats and rejected actions change
       nothing);
    2. labels of closed cases and of customers' answers are written to the payments topic and acknowledged;
    3. notices to customers, the cases, each record with the position after the input that caused it, and answers to
       actions are written and acknowledged;
    4. the view is updated.
Offsets are committed to the group only after that, for lag dashboards alone. The authoritative position is that in the
newest case record: on assignment the agent becomes the only writer of a partition, reads its cases and resumes from
there.
    killed before 3: the step is repeated from the same state; it writes the same labels again.
    killed within 3, in plain mode: the successor resumes after the last durable record.
    killed after 3: the successor resumes after the step.
Alerts, actions and customers' answers to notices are three topics. No log orders them relative to each other, so the
position holds an offset of each.
Rejected actions and repeats write nothing, so the next owner may meet them again: the state is the same, so is the
result. The position names the topics by their ids, as offsets are invalid in a topic that was created again.

Between steps the agent publishes an action `expire` for each timer that is due (`cases.timers`); like every action it
takes effect when it is read.

Agents with one `group` share the partitions. An error after which it is unknown what is durable ends the agent; its
supervisor restarts it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from mode import Service

from fraudstream.cases.absence_reader import READ_INTERVAL_S, AbsenceReader
from fraudstream.cases.absences import AbsenceStore
from fraudstream.cases.assignment import Assignment
from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.cluster import check_partitions, connect
from fraudstream.cases.emission import FencedEmission, PlainEmission
from fraudstream.cases.failure import AgentError, in_words
from fraudstream.cases.lag_monitor import CaseLogs, input_offsets
from fraudstream.cases.observer import Observer, Unobserved
from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.view import CaseView
from fraudstream.cases.view_writer import ViewWriter
from fraudstream.kafka.closing import close
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.lag_monitor import LagMonitor
from fraudstream.kafka.offset_gaps import OffsetGaps
from fraudstream.kafka.open_transactions import OpenTransactions
from fraudstream.kafka.outage_logger import OutageLogger
from fraudstream.kafka.permissions import denial
from fraudstream.tracing.ports import UNTRACED, Tracer

POLL_MS: Final = 200
RECORDS_MAX: Final = 200
COMMIT_INTERVAL_S: Final = 2.0
STOP_S_MAX: Final = 10.0
DRAIN_S_MAX: Final = 3.0
LAG_INTERVAL_S: Final = 2.0

log = logging.getLogger(__name__)
# mode logs every start, stop and crash, the last with a traceback. The agent logs what operators need itself.
mode_log = logging.getLogger("mode.cases")
mode_log.setLevel(logging.CRITICAL)


class CaseAgent(Service):
    """A Faust service: `await agent.start()`, `await agent.wait_until_stopped()`, `await agent.stop()`; `crash_reason`
    is the error that ended it.

    `observer`: metrics. `view`: the view in Redis, by default that of `settings.redis_url`. `now_ms`: the clock of
    timers, ms since the epoch. `absences`: who gets no case, by default those in `settings.redis_url`. `tracer`: of the
    alerts whose traces are sampled.
    """

    logger = mode_log

    def __init__(
        self,
        settings: AgentSettings,
        observer: Observer | None = None,
        view: CaseView | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        absences: AbsenceStore | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        super().__init__()
        self._now_ms = now_ms
        self._settings = settings
        self._observer = observer or Unobserved()
        self._tracer = tracer
        self._view = view or CaseView(settings.redis_url)
        self._absences = AbsenceReader(absences or AbsenceStore.at(settings.redis_url), settings.policy)
        self._case_log = CaseLog(settings.brokers, settings.cases_topic, settings.fetch_wait_ms, settings.fenced)
        self._view_writer = ViewWriter(self._view, self._case_log, self._observer)
        self._emission = (
            FencedEmission(settings.brokers, settings.group, settings.codec)
            if settings.fenced
            else PlainEmission(settings.brokers, settings.codec)
        )
        self._handling = asyncio.Lock()  # held while the loop runs

    async def on_start(self) -> None:
        """Connect, check the topics and join the group. Raises `AgentError`, or what aiokafka raises."""
        settings = self._settings
        log.info(
            "grouping alerts of %s into cases on %s: %s",
            settings.alerts_topic,
            settings.cases_topic,
            "fenced by transactions" if settings.fenced else "plain mode, without fencing: run one agent only",
        )
        if self._absences.is_needed:
            await self._absences.read(self._now_ms())
        await connect(settings, self._emission, self._observer)
        try:
            await check_partitions(settings, self._emission)
            await self._join([await self._emission.identity_of(topic) for topic in settings.input_topics])
        except BaseException as error:
            await self._emission.stop()
            if (denied := denial(error, settings.brokers)) is not None:
                raise AgentError(denied) from error
            raise

    async def _join(self, input_ids: Sequence[str]) -> None:
        """Subscribe to the input topics as a member of the group."""
        settings = self._settings
        self._consumer = consumer = AIOKafkaConsumer(
            **settings.brokers.options(),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed" if settings.fenced else "read_uncommitted",
            fetch_max_wait_ms=settings.fetch_wait_ms,
            session_timeout_ms=round(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=round(settings.session_timeout_s * 1000 / 5),
            # By partition number: an agent gets the same partitions of alerts and of actions.
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        self._assignment = Assignment(
            settings,
            input_ids,
            consumer,
            self._emission,
            self._case_log,
            self._view_writer,
            self._observer,
            fail=self.crash,
            tracer=self._tracer,
        )
        processors = self._assignment.processors
        self._logs = logs = CaseLogs(settings, consumer, processors)
        self._transactions = OpenTransactions(self._observer)
        self._lag_monitor = LagMonitor(
            held=processors,
            log=logs,
            outage=OutageLogger(settings.brokers, log),
            observer=self._observer,
        )
        self._offset_gaps = None if settings.fenced else OffsetGaps(consumer)
        consumer.subscribe(settings.input_topics, listener=self._assignment)
        try:
            await consumer.start()
        except BaseException:
            await close(consumer)
            raise

    async def on_stop(self) -> None:
        """Finish the current step, commit, update the view, close the clients."""
        try:
            async with asyncio.timeout(STOP_S_MAX), self._handling:
                if self.crash_reason is None:
                    await self._assignment.commit()
        except TimeoutError:
            log.warning("the current step did not end within %.0f s: the next owner repeats it", STOP_S_MAX)
        await self._view_writer.drain(DRAIN_S_MAX)
        await close(self._consumer)
        await self._emission.stop()
        await self._view.close()
        await self._absences.close()

    async def crash(self, reason: BaseException) -> None:
        """End the agent because of `reason`: it is unknown what is durable, or the agent cannot do its work."""
        if (denied := denial(reason, self._settings.brokers)) is not None:
            reason = AgentError(denied)
        if self.crash_reason is None:
            sentence = in_words(reason)
            log.critical("%s", sentence or kafka_error_text(reason), exc_info=None if sentence is not None else reason)
            self._observer.on_failure(sentence or kafka_error_text(reason))
        await super().crash(reason)

    @Service.task
    async def _write_view(self) -> None:
        await self._view_writer.run()

    @Service.task
    async def _read_absences(self) -> None:
        while self._absences.is_needed and not self.should_stop:
            await self.sleep(READ_INTERVAL_S)
            await self._absences.read(self._now_ms())

    @Service.task
    async def _handle_records(self) -> None:
        try:
            await self._handle_all()
        except asyncio.CancelledError:
            if not self.should_stop:  # a library cancelled it: mode would end the task without an error
                raise AgentError("the agent's loop was cancelled by a library: start the agent again.") from None
            raise

    @Service.task
    async def _monitor_lag(self) -> None:
        while not self.should_stop:
            await self.sleep(LAG_INTERVAL_S)
            await self._lag_monitor.look()
            if self._settings.fenced:
                self._transactions.look(self._logs.stable_ends())

    async def _handle_all(self) -> None:
        """Recover what is assigned, fetch, handle, commit, until the agent stops."""
        async with self._handling:
            committed_at_s = time.monotonic()
            while not self.should_stop:
                await self._assignment.recover()
                fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for tp, records in fetched.items():
                    await self._handle(tp, records)
                await self._expire()
                self._lag_monitor.report({tp.partition for tp in fetched} & self._assignment.processors.keys(), {})
                if time.monotonic() - committed_at_s >= COMMIT_INTERVAL_S:
                    async with self._assignment.step:
                        await self._assignment.commit()
                    committed_at_s = time.monotonic()

    async def _expire(self) -> None:
        """Publish the expiries of timers that are due, and remove closed cases whose time is up."""
        async with self._assignment.step:
            if not self.should_stop:
                now_ms = self._now_ms()
                absent = self._absences.absent(now_ms)
                for processor in self._assignment.processors.values():
                    await processor.expire(now_ms, absent)
                    await processor.retire(now_ms)

    async def _handle(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """One step."""
        async with self._assignment.step:
            processor = self._assignment.processors.get(tp.partition)
            if processor is None or self.should_stop:
                return  # revoked, or not recovered yet: its owner starts at the position in its cases
            start = input_offsets(self._settings, tp.partition, processor.position)[tp]
            if self._offset_gaps is not None:
                records = self._offset_gaps.contiguous(tp, start, records)
            elif records and (missing := await self._logs.deleted(tp, start, records[0].offset)):
                log.error(
                    "%s-%d: retention deleted the records %d to %d before they were grouped: their cases lack them. "
                    "Give the topic a longer retention",
                    tp.topic,
                    tp.partition,
                    start,
                    start + missing - 1,
                )
                self._observer.on_records_missing(tp.partition, topic=tp.topic, records=missing)
            for record in records:
                processor.handle(record)
            await processor.emit()
        self._observer.on_step(tp.partition)
