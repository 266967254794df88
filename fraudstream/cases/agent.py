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
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, ProducerFenced, UnknownError, UnknownTopicOrPartitionError
from mode import Service

from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.desk import Desk
from fraudstream.cases.emission import FencedEmission, PlainEmission
from fraudstream.cases.observer import Observer, Unobserved
from fraudstream.cases.record import Position
from fraudstream.cases.view import CaseView
from fraudstream.cases.view_writer import ViewWriter
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.knock import refusal
from fraudstream.kafka.permissions import denial, lacking
from fraudstream.kafka.topic_metadata import Operation

POLL_MS: Final = 200
RECORDS_MAX: Final = 200
COMMIT_S: Final = 2.0
STOP_S: Final = 10.0
DRAIN_S: Final = 3.0
RETRY_S: Final = 1.0  # between two tries to reach a broker
SAY_S: Final = 5.0  # between two words about it
LOOK_S: Final = 2.0
ANSWER_S_MAX: Final = 3.0

GO_ON: Final = "Started again, it goes on where it was."

log = logging.getLogger(__name__)
# mode tells of starts, stops and crashes, these with a trace; what is worth a word of them we say ourselves.
mode_log = logging.getLogger("mode.cases")
mode_log.setLevel(logging.CRITICAL)


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`fenced`: write cases in Kafka transactions that fence a partition's previous
    owner; False on a broker without sound transactions, where only one agent may run. `fetch_wait_ms`: longest wait of
    a fetch."""

    brokers: Brokers
    redis_url: str
    fenced: bool
    group: str = "fraudstream-cases"
    alerts_topic: str = "alerts"
    case_actions_topic: str = "case-actions"
    cases_topic: str = "cases"
    payments_topic: str = "payments"
    dead_letters_topic: str = "dead-letters"
    fetch_wait_ms: int = 500
    session_timeout_s: float = 10.0


class AgentError(Exception):
    """The agent cannot go on. `sentence` says what was wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


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
        self._desks: dict[int, Desk] = {}  # partitions taken over
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
        await self._connect()
        try:
            await self._check_partitions()
            self._input_ids = [await self._emission.identity_of(topic) for topic in self._input_topics]
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
        self._consumer.subscribe(self._input_topics, listener=_Rebalance(self))
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
            sentence = _in_words(reason)
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
                numbers = {tp.partition for tp in fetched} & self._desks.keys()
                self._tell_lag({number: self._desks[number] for number in numbers}, {})
                if time.monotonic() - committed_at >= COMMIT_S:
                    async with self._step:
                        await self._commit()
                    committed_at = time.monotonic()

    async def _handle(self, tp: TopicPartition, records: Iterable[ConsumerRecord[bytes, bytes]]) -> None:
        """One step."""
        async with self._step:
            desk = self._desks.get(tp.partition)
            if desk is None or self.should_stop:
                return  # not ours any more, or not read back yet: whoever takes it over starts at its own position
            handle = desk.alert if tp.topic == self._settings.alerts_topic else desk.action
            for record in records:
                handle(record)
            await desk.emit()
        self._observer.on_step(tp.partition)

    async def _take_over(self) -> None:
        """Read back the cases of partitions that were assigned since, and go to where they left off."""
        for partition in sorted(self._assigned - self._desks.keys()):
            assigned = self._assigned
            started = time.monotonic()
            await self._emission.take_over(partition)
            book, position, end = await self._case_log.restore(partition, partial(self._tell_recovery, started))
            if self._assigned is not assigned:
                return  # a rebalance since: begin again with the partitions that are ours now
            position = self._checked(partition, position)
            try:
                for topic, offset in self._by_topic(position):
                    self._consumer.seek(TopicPartition(topic, partition), offset)
            except IllegalStateError:
                return  # the same: no longer assigned
            self._desks[partition] = Desk(
                partition, book, position, self._settings, self._emission, self._writer, self._observer
            )
            seconds = time.monotonic() - started
            log.info(
                "partition %d: %d open cases, on from %s, read in %.1f s", partition, book.open_cases, position, seconds
            )
            self._observer.on_recovery(partition, seconds=seconds, cases=sum(1 for _ in book))
            self._observer.on_open_cases(partition, cases=book.open_cases)
            self._writer.assign({**self._writer.ends, partition: end})

    def _checked(self, partition: int, position: Position) -> Position:
        """The position, if it is one in the topics as they are now. Raises `AgentError`."""
        known = (position.alerts_id, position.case_actions_id)
        for topic, id_then, id_now in zip(self._input_topics, known, self._input_ids, strict=True):
            if id_then not in ("", id_now):
                raise AgentError(
                    f"The topic '{topic}' is not the one that the cases of partition {partition} come from (id "
                    f"{id_then}, now {id_now}): it was created again, so its offsets mean other records. To group what "
                    f"it holds, stop all case agents, delete the topic '{self._settings.cases_topic}' and run "
                    "`fraudstream topics apply`."
                )
        alerts_id, case_actions_id = self._input_ids
        return msgspec.structs.replace(position, alerts_id=alerts_id, case_actions_id=case_actions_id)

    def _by_topic(self, position: Position) -> Iterable[tuple[str, int]]:
        return zip(self._input_topics, (position.alerts, position.case_actions), strict=True)

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """The group gave us these partitions: nothing is handled before they are taken over, by the loop."""
        by_topic = {topic: {tp.partition for tp in partitions if tp.topic == topic} for topic in self._input_topics}
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
            TopicPartition(topic, partition): offset
            for partition, desk in self._desks.items()
            for topic, offset in self._by_topic(desk.position)
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
        """Ask for the ends of our partitions, apart from fetching: do brokers answer, and what waits?"""
        answered_at, said_at = time.monotonic(), 0.0
        while not self.should_stop:
            await self.sleep(LOOK_S)
            desks = dict(self._desks)
            tps = [TopicPartition(topic, number) for number in desks or (0,) for topic in self._input_topics]
            try:
                async with asyncio.timeout(ANSWER_S_MAX):
                    ends = await self._consumer.end_offsets(tps)
            except (KafkaError, OSError, TimeoutError) as error:
                self._observer.on_brokers(answer=False)
                now, why = time.monotonic(), str(error) or "no answer in time"
                if now - max(answered_at, said_at) > SAY_S:
                    said_at, brokers = now, self._settings.brokers
                    log.warning("no broker answers at %s, for %.0f s now (%s)", brokers, now - answered_at, why)
                continue
            if said_at > answered_at:
                log.warning("the brokers answer again, after %.0f s", time.monotonic() - answered_at)
            answered_at = time.monotonic()
            self._observer.on_brokers(answer=True)
            self._tell_lag({number: desk for number, desk in desks.items() if self._desks.get(number) is desk}, ends)

    def _tell_lag(self, desks: Mapping[int, Desk], ends: Mapping[TopicPartition, int]) -> None:
        for partition, desk in desks.items():
            lag = 0
            for topic, offset in self._by_topic(desk.position):
                tp = TopicPartition(topic, partition)
                fetched = self._consumer.highwater(tp) if tp in self._consumer.assignment() else None
                lag += max(0, ends.get(tp, 0) - offset, (fetched or 0) - offset)
            self._observer.on_lag(partition, lag=lag)

    @property
    def _input_topics(self) -> tuple[str, str]:
        """In the order of `Position`."""
        return self._settings.alerts_topic, self._settings.case_actions_topic

    async def _connect(self) -> None:
        """Start the producers, as soon as a broker answers."""
        brokers, since, said_at = self._settings.brokers, time.monotonic(), -SAY_S
        while True:
            try:
                await self._check_permissions()
                return await self._emission.start()
            except UnknownError as error:  # how the embedded broker answers the first request of an idempotent producer
                raise AgentError(
                    f"The broker at {brokers} has no transactions (it is no Apache Kafka). Set "
                    "worker.checkpoint_mode=batch, and run one case agent only: without transactions nobody is fenced."
                ) from error
            except (KafkaError, OSError) as error:
                if (sentence := denial(error, brokers) or await refusal(brokers)) is not None:
                    raise AgentError(sentence) from error
                self._observer.on_brokers(answer=False)
                now = time.monotonic()
                if now - said_at >= SAY_S:
                    said_at = now
                    log.warning("no broker answers at %s, for %.0f s now (%s): trying on", brokers, now - since, error)
            await asyncio.sleep(RETRY_S)

    async def _check_permissions(self) -> None:
        settings = self._settings
        if not settings.fenced:
            return  # no Apache Kafka: a broker that may create a topic that it is asked for by name
        wanted: dict[str, tuple[Operation, ...]] = {
            settings.alerts_topic: ("READ",),
            settings.case_actions_topic: ("READ",),
            settings.cases_topic: ("READ", "WRITE"),
            settings.payments_topic: ("WRITE",),  # labels of closed cases
            settings.dead_letters_topic: ("WRITE",),
        }
        if (sentence := await lacking(settings.brokers, wanted)) is not None:
            raise AgentError(sentence)

    async def _check_partitions(self) -> None:
        topics = (*self._input_topics, self._settings.cases_topic)
        try:
            counts = {topic: await self._emission.partitions_of(topic) for topic in topics}
        except UnknownTopicOrPartitionError as error:
            raise AgentError(
                f"{self._settings.brokers} lacks one of the topics {', '.join(topics)}. Create them with "
                "`fraudstream topics apply`."
            ) from error
        if len(set(counts.values())) != 1:
            found = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
            raise AgentError(
                f"alerts, case-actions and cases must have equally many partitions, but {found}:"
                " see `fraudstream topics check`."
            )


def _in_words(reason: BaseException) -> str | None:
    """A sentence for what Kafka may do to an agent at any time; None for what we did not foresee."""
    if isinstance(reason, AgentError):
        return reason.sentence
    if isinstance(reason, ProducerFenced):
        return f"Another agent has taken over what this one held ({reason}). {GO_ON}"
    if isinstance(reason, (KafkaError, TimeoutError)):
        return f"Kafka did not take in time what the agent had to write ({str(reason) or 'no answer'}). {GO_ON}"
    return None


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka logs what a listener raises and goes on: so these only take notes."""

    def __init__(self, agent: CaseAgent) -> None:
        self._agent = agent

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._agent.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._agent.assigned(list(assigned))
