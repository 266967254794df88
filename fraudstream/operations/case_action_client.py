"""Publishes actions on cases and hands back the case agent's answers, over connections that stay open.

The case agent answers every action on the topic of answers, in the partition of the case. One consumer follows all
its partitions from where they end when it starts, so that it is ahead of every action; an answer goes to the caller
that waits for its `action_id`. To open and close connections for each action took most of an action's time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import TracebackType
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Case, CaseAction, CaseAnswer
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka.closing import close
from fraudstream.kafka.partitions import topics_of
from fraudstream.operations.case_actions import (
    CaseActionResult,
    NoAnswerError,
    RejectedActionError,
    RejectedOpeningError,
)
from fraudstream.operations.errors import MissingTopicError

ANSWER_S_MAX: Final = 30.0  # an agent answers within milliseconds
POLL_MS: Final = 500


class CaseActionClient:
    """Open it before use, or use it as an asynchronous context manager. Callers may act at the same time.

    Once reading answers has failed, everything that waits for one raises that error, and so does every later action:
    `is_broken`. Open another client then.
    """

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._decode = msgspec.json.Decoder(CaseAnswer).decode
        self._waiting = defaultdict[str, list[asyncio.Future[CaseAnswer]]](
            list
        )  # by action_id, which may be sent again
        self._partitions: list[int] = []
        self._following: asyncio.Task[None] | None = None
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> CaseActionClient:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and be ready for the answers. Raises `MissingTopicError` and what aiokafka raises."""
        try:
            await self._connect()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connections. Whoever waits for an answer gets a `ConnectionError`."""
        if self._following is not None:
            self._following.cancel()
        for client in (self._consumer, self._producer):
            if client is not None:
                await close(client)

    @property
    def is_broken(self) -> bool:
        """Whether answers are no longer read."""
        return self._following is None or self._following.done()

    def serves(self, partition: int) -> bool:
        """Whether the topics had that partition when the client was opened."""
        return partition in self._partitions

    async def act(
        self, case: Case, partition: int, action: CaseAction, *, answer_s_max: float = ANSWER_S_MAX
    ) -> CaseActionResult:
        """Publish `action` to the partition of the case, and wait for the agent's answer.

        `case` and `partition`: as the view has them; the case may be out of date. Raises `RejectedActionError`,
        `NoAnswerError`, `MissingTopicError`, and what aiokafka raises.
        """
        answer = await self._answered(partition, action, answer_s_max)
        if answer.accepted:
            return CaseActionResult(action, answer.case or case)
        raise RejectedActionError(action, answer.case or case, answer.code or "", answer.sentence or "")

    async def open_case(
        self, action: CaseAction, partition: int | None, *, answer_s_max: float = ANSWER_S_MAX
    ) -> tuple[Case, int]:
        """Publish the action `open` and wait for the agent's answer: the new case, and its partition.

        `partition`: of the account's other cases; None: where Kafka's default partitioner puts the account. Raises
        `RejectedOpeningError`, and else as `act` does.
        """
        if partition is None:
            partition = int(DefaultPartitioner()(action.account_id.encode(), self._partitions, self._partitions))
        answer = await self._answered(partition, action, answer_s_max)
        if not answer.accepted or answer.case is None:
            raise RejectedOpeningError(action, answer.code or "", answer.sentence or "")
        return answer.case, partition

    async def _connect(self) -> None:
        s = self._settings
        topics = await topics_of(s.brokers)
        for topic in (s.case_actions_topic, s.case_answers_topic):
            if not topics.get(topic):
                raise MissingTopicError(s.brokers.servers, topic)
        self._partitions = sorted(set(topics[s.case_actions_topic]) & set(topics[s.case_answers_topic]))
        self._consumer = AIOKafkaConsumer(
            **s.brokers.options(),
            client_id="fraudstream-case-actions",
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=s.fetch_wait_ms,
            isolation_level="read_committed" if s.fenced else "read_uncommitted",
        )
        await self._consumer.start()
        partitions = [TopicPartition(s.case_answers_topic, number) for number in self._partitions]
        self._consumer.assign(partitions)
        ends = await self._consumer.end_offsets(partitions)  # too low on some brokers: answers to others are skipped
        for tp in partitions:
            self._consumer.seek(tp, ends[tp])
        self._producer = AIOKafkaProducer(**s.brokers.options(), acks="all")
        await self._producer.start()
        self._following = asyncio.create_task(self._follow(self._consumer))
        self._following.add_done_callback(self._on_end)

    async def _answered(self, partition: int, action: CaseAction, answer_s_max: float) -> CaseAnswer:
        """Publish the action and wait for its answer."""
        producer, following = self._producer, self._following
        assert producer is not None, "not open"
        assert following is not None, "not open"
        s = self._settings
        if not self.serves(partition):
            raise MissingTopicError(s.brokers.servers, s.case_answers_topic)
        answered: asyncio.Future[CaseAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[action.action_id].append(answered)
        try:
            if following.done():
                await following  # raises what has ended it
            sent = await producer.send_and_wait(
                s.case_actions_topic,
                msgspec.json.encode(action),
                key=action.account_id.encode(),
                partition=partition,
            )
            await asyncio.wait({answered}, timeout=answer_s_max)
            if not answered.done():
                raise NoAnswerError(action, s.case_actions_topic, partition, int(sent.offset), answer_s_max)
            return answered.result()
        finally:
            self._forget(action.action_id, answered)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    self._on_answer(record.value)

    def _on_answer(self, value: bytes | None) -> None:
        try:
            answer = self._decode(value or b"")
        except UNDECODABLE:
            return  # not a record of the agent's
        for waiting in self._waiting.get(answer.action_id, ()):
            if not waiting.done():
                waiting.set_result(answer)

    def _forget(self, action_id: str, answered: asyncio.Future[CaseAnswer]) -> None:
        answered.cancel()
        self._waiting[action_id].remove(answered)
        if not self._waiting[action_id]:
            del self._waiting[action_id]

    def _on_end(self, following: asyncio.Task[None]) -> None:
        error = None if following.cancelled() else following.exception()
        for each in self._waiting.values():
            for waiting in each:
                if not waiting.done():
                    waiting.set_exception(error or ConnectionError("the connection to the case agent was closed"))


async def act_on_case(
    settings: AgentSettings, case: Case, partition: int, action: CaseAction, *, answer_s_max: float = ANSWER_S_MAX
) -> CaseActionResult:
    """One action by a client of its own: see `CaseActionClient.act`."""
    async with CaseActionClient(settings) as client:
        return await client.act(case, partition, action, answer_s_max=answer_s_max)


async def open_case(
    settings: AgentSettings, action: CaseAction, partition: int | None, *, answer_s_max: float = ANSWER_S_MAX
) -> tuple[Case, int]:
    """One opening by a client of its own: see `CaseActionClient.open_case`."""
    async with CaseActionClient(settings) as client:
        return await client.open_case(action, partition, answer_s_max=answer_s_max)
