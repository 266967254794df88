"""The partitions that the consumer group has assigned to a case agent: recovery, commits, revocation.

A partition is assigned by the group, then recovered from the topic `cases`; only then are its records handled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.emission import PlainEmission
from fraudstream.cases.failure import AgentError
from fraudstream.cases.lag_monitor import input_offsets
from fraudstream.cases.observer import Observer
from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import Position
from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.view_writer import ViewWriter
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.outage_logger import LOG_INTERVAL_S
from fraudstream.tracing.ports import UNTRACED, Tracer

RECOVERIES_AT_ONCE: Final = 8  # each opens a consumer and, with fencing, a producer of its own

log: Final = logging.getLogger(__name__)


class Consumer(Protocol):
    """The part of aiokafka's `AIOKafkaConsumer` that is used here."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Fetch from `offset` next."""

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Commit offsets to the group."""


class Fail(Protocol):
    """Ends the agent with `reason`."""

    async def __call__(self, reason: BaseException) -> None:
        """End the agent."""


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """The agent's partitions, and the `CaseProcessor` of each that is recovered.

    `input_ids`: identities of the input topics, in the order of `settings.input_topics`. `fail`: ends the agent; needed
    because aiokafka only logs what a rebalance listener raises. `processors`: recovered partitions. `step`: to be held
    while records are handled, so that a revocation waits for the end of the step.
    """

    def __init__(
        self,
        settings: AgentSettings,
        input_ids: Sequence[str],
        consumer: Consumer,
        emission: PlainEmission,
        case_log: CaseLog,
        view_writer: ViewWriter,
        observer: Observer,
        fail: Fail,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.processors: dict[int, CaseProcessor] = {}
        self.step = asyncio.Lock()
        self._settings, self._input_ids = settings, tuple(input_ids)
        self._consumer, self._emission, self._case_log = consumer, emission, case_log
        self._view_writer, self._observer, self._fail, self._tracer = view_writer, observer, fail, tracer
        self._assigned: frozenset[int] = frozenset()
        self._committed: dict[TopicPartition, int] = {}
        self._progress_logged_at_s = 0.0

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group assigned these partitions. `recover` reads their cases back later."""
        partitions = list(assigned)
        numbers = {
            topic: sorted(tp.partition for tp in partitions if tp.topic == topic)
            for topic in self._settings.input_topics
        }
        alerts = numbers[self._settings.alerts_topic]
        for topic, found in numbers.items():
            if found != alerts:
                sentence = (
                    f"The group assigned partitions {alerts} of {self._settings.alerts_topic} but {found} of "
                    f"{topic}: make the partition counts equal."
                )
                await self._fail(AgentError(sentence))
                return
        self._assigned = frozenset(alerts)
        self._observer.on_assigned(alerts)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The group revoked all partitions: finish the current step, commit, release them."""
        self._observer.on_revoked()
        async with self.step:
            self._assigned = frozenset()
            await self.commit()
            for partition in list(self.processors):
                await self._emission.release(partition)
            self.processors.clear()
            self._committed.clear()
            self._view_writer.assign({})

    async def recover(self) -> None:
        """Recover every assigned partition that has no processor yet, `RECOVERIES_AT_ONCE` at a time.

        A partition that a rebalance takes away meanwhile is left out. Raises the error of the lowest partition that
        could not be recovered, once the others have ended.
        """
        assigned, started_s, free = self._assigned, time.monotonic(), asyncio.Semaphore(RECOVERIES_AT_ONCE)
        shares = dict.fromkeys(sorted(assigned - self.processors.keys()), 0.0)

        def report(partition: int, share: float) -> None:
            shares[partition] = share
            if self._assigned is assigned:
                done = len(assigned) - len(shares) + sum(shares.values())
                self._report_progress(started_s, done / len(assigned))

        async def recover(partition: int) -> None:
            async with free:
                if self._assigned is assigned:
                    await self._recover(partition, partial(report, partition))
                    shares[partition] = 1.0

        ended = await asyncio.gather(*map(recover, shares), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _recover(self, partition: int, report: Callable[[float], None]) -> None:
        """Become the only writer of the partition's cases, read them, and seek to the position of the last one, unless
        the group has rebalanced meanwhile. `report`: called with the share that is read, 0 to 1."""
        assigned, started_s = self._assigned, time.monotonic()
        await self._emission.acquire(partition)
        store, position, end = await self._case_log.restore(
            partition, report, self._settings.policy, self._settings.retention_days
        )
        if self._assigned is not assigned:
            return
        position = self._checked(partition, position)
        try:
            for tp, offset in input_offsets(self._settings, partition, position).items():
                self._consumer.seek(tp, offset)
        except IllegalStateError:  # no longer assigned
            return
        self.processors[partition] = CaseProcessor(
            partition, store, position, self._settings, self._emission, self._view_writer, self._observer, self._tracer
        )
        seconds = time.monotonic() - started_s
        message = "partition %d: recovered %d open cases in %.1f s, resuming at offset %d of alerts, %d of actions"
        log.info(message, partition, store.open_cases, seconds, position.alerts, position.case_actions)
        self._observer.on_recovery(partition, seconds=seconds, cases=sum(1 for _ in store))
        self._observer.on_open_cases(partition, cases=store.open_cases)
        self._observer.on_service_levels(partition, levels=store.service_levels)
        self._view_writer.assign({**self._view_writer.ends, partition: end})

    def _checked(self, partition: int, position: Position) -> Position:
        """`position` with the identities of the input topics. Raises `AgentError` if it belongs to other topics."""
        known = (position.alerts_id, position.case_actions_id, position.notice_answers_id)
        for topic, id_then, id_now in zip(self._settings.input_topics, known, self._input_ids, strict=True):
            if id_then not in ("", id_now):
                raise AgentError(
                    f"The topic '{topic}' is not the one that the cases of partition {partition} come from (id "
                    f"{id_then}, now {id_now}): it was created again, so its offsets refer to other records. To group "
                    f"all it holds, stop all case agents, delete the topic '{self._settings.cases_topic}' and run "
                    "`fraudstream topics apply`."
                )
        alerts_id, case_actions_id, notice_answers_id = self._input_ids
        return msgspec.structs.replace(
            position, alerts_id=alerts_id, case_actions_id=case_actions_id, notice_answers_id=notice_answers_id
        )

    def _report_progress(self, started_s: float, done: float) -> None:
        """Observe and log the recovery, which began at `started_s`. `done`: share of all partitions, 0 to 1."""
        assigned, left = len(self._assigned), len(self._assigned - self.processors.keys())
        self._observer.on_recovering(left, of=assigned, share=done)
        if time.monotonic() - max(started_s, self._progress_logged_at_s) > LOG_INTERVAL_S:
            self._progress_logged_at_s = time.monotonic()
            log.info("recovering %d of %d partitions, %d %%", left, assigned, int(done * 100))

    async def commit(self) -> None:
        """Commit the positions to the group. A failure is only logged: the offsets serve lag dashboards alone."""
        offsets = {
            tp: offset
            for partition, processor in self.processors.items()
            for tp, offset in input_offsets(self._settings, partition, processor.position).items()
        }
        offsets = {tp: offset for tp, offset in offsets.items() if self._committed.get(tp, 0) != offset}
        if not offsets:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), self._settings.session_timeout_s / 2)
            self._committed |= offsets
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets not committed, so the group's lag is out of date: %s", kafka_error_text(error))
