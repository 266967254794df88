"""Act on a case: claim, release, note, close, reopen; publish the action and wait for the case agent's answer.

The case agent alone decides whether an action is allowed. An accepted action changes the case: the agent publishes the
new state on the topic of cases, with the ids of the case's newest actions in a header. A rejected action publishes
nothing, but the agent's consumer group commits an offset after it. So an action is accepted when its id is seen on the
topic of cases, and rejected when the group has committed an offset after it and the topic of cases, read to its end
after that, does not have it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from fraudstream.cases.lifecycle import RefusalCode, RejectedAction, acted_on
from fraudstream.cases.record import held_of
from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.case import ActionName, Disposition
from fraudstream.kafka.closing import close
from fraudstream.kafka.partitions import topics_of
from fraudstream.kafka.topic_reader import FETCH_WAIT_MS, TopicReader
from fraudstream.operations.checked_text import check_identifier, check_note
from fraudstream.operations.errors import InvalidValueError, MissingTopicError, OperationError

ANSWER_S_MAX: Final = 30.0  # an agent answers within milliseconds, and commits every two seconds
POLL_S: Final = 0.2


class CaseActionResult(NamedTuple):
    """The accepted action, and the case as it is after it."""

    action: CaseAction
    case: Case


class RejectedActionError(OperationError):
    """The case agent rejected the action: it changed nothing. `code`: why, where the newest state of the case shows
    it; else None. `case`: that state."""

    def __init__(self, action: CaseAction, case: Case, code: RefusalCode | None, sentence: str) -> None:
        super().__init__(f"The case agent rejected '{action.action}': {sentence}")
        self.action = action
        self.case = case
        self.code = code


class NoAnswerError(OperationError):
    """No answer came within `seconds`. The action is in the log at `offset`, so it may still take effect."""

    def __init__(self, action: CaseAction, topic: str, partition: int, offset: int, seconds: float) -> None:
        super().__init__(
            f"No case agent answered within {seconds:g} s: '{action.action}' is at offset {offset} of "
            f"{topic}-{partition}, and takes effect as soon as an agent runs. Is `fraudstream cases` running?"
        )
        self.action = action
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.seconds = seconds


def new_case_action(
    case: Case,
    name: ActionName,
    *,
    actor: str,
    acted_at_ms: int,
    note: str | None = None,
    disposition: Disposition | None = None,
) -> CaseAction:
    """An action on `case` with an id of its own. Raises `InvalidValueError`."""
    check_identifier(actor, "actor")
    check_note(note)
    try:
        return CaseAction(
            action_id=secrets.token_hex(16),
            case_id=case.case_id,
            account_id=case.account_id,
            action=name,
            actor=actor,
            acted_at=acted_at_ms,
            disposition=disposition,
            note=note,
        )
    except ValueError as error:  # of CaseAction itself: close without a disposition, note without a text
        raise InvalidValueError("action", name, f"{str(error).rstrip('.')}.") from error


async def act_on_case(
    settings: AgentSettings,
    case: Case,
    partition: int,
    action: CaseAction,
    *,
    other_open_case: str | None = None,
    answer_s_max: float = ANSWER_S_MAX,
) -> CaseActionResult:
    """Publish `action` to the partition of the case, and wait for the agent's answer.

    `case` and `partition`: as the view has them; the case may be out of date. `other_open_case`: another case of the
    account that is not closed, to explain why a reopening was rejected. Raises `RejectedActionError`, `NoAnswerError`,
    `MissingTopicError`, and what aiokafka raises.
    """
    topics = await topics_of(settings.brokers)
    for topic in (settings.case_actions_topic, settings.cases_topic):
        if partition not in topics.get(topic, ()):
            raise MissingTopicError(settings.brokers.servers, topic)
    async with _answers(settings, case, partition) as answers:
        offset = await _publish(settings, partition, action)
        match await answers.wait(action.action_id, offset, answer_s_max):
            case True:
                return CaseActionResult(action, answers.case)
            case False:
                raise rejection(answers.case, action, other_open_case)
            case None:
                raise NoAnswerError(action, settings.case_actions_topic, partition, offset, answer_s_max)


class _Answers:
    """What the case agent publishes about one case from now on. `case`: the newest state seen."""

    def __init__(
        self, settings: AgentSettings, reader: TopicReader, group: AIOKafkaConsumer, case: Case, partition: int
    ) -> None:
        self.case = case
        self._topic, self._partition = settings.cases_topic, partition
        self._actions = TopicPartition(settings.case_actions_topic, partition)
        self._reader, self._group = reader, group
        self._position = self._committed_before = 0

    async def start(self) -> None:
        """Begin at the end of the topic of cases.

        Asks for the group's offset as well, so that a missing permission is found before anything is published.
        """
        self._position = (await self._reader.extent(self._topic, self._partition)).end
        self._committed_before = await self._committed()

    async def wait(self, action_id: str, offset: int, seconds: float) -> bool | None:
        """Whether the action at `offset` was accepted; None if that is not known within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(action_id, offset)
        except TimeoutError:
            return None

    async def _answer(self, action_id: str, offset: int) -> bool:
        while True:
            # The agent publishes the case before it commits. So once it has committed, the case is in the topic, if it
            # changed: ask for the commit first, then read.
            handled = await self._is_handled(offset)
            if await self._accepted_by_now(action_id):
                return True
            if handled:
                return False
            await asyncio.sleep(POLL_S)

    async def _is_handled(self, offset: int) -> bool:
        """Whether the agent's group has committed an offset after the action. An offset that was there before we
        published does not count: it belongs to a deleted topic of this name."""
        committed = await self._committed()
        return committed > offset and committed != self._committed_before

    async def _committed(self) -> int:
        return int(await self._group.committed(self._actions) or 0)

    async def _accepted_by_now(self, action_id: str) -> bool:
        """Whether the topic holds a record of the case with this action; read from where the last call ended."""
        end = (await self._reader.extent(self._topic, self._partition)).end
        begin, self._position = self._position, max(self._position, end)
        accepted = False
        async for records in self._reader.forward(self._topic, self._partition, begin, end):
            accepted |= self._accepted(records, action_id)
        return accepted

    def _accepted(self, records: Sequence[ConsumerRecord[bytes, bytes]], action_id: str) -> bool:
        for record in records:
            if record.value is None or record.key != self.case.case_id.encode():
                continue
            try:
                held, _ = held_of(record.value, record.headers)
            except (msgspec.MsgspecError, KeyError):
                continue  # not a record of the agent's
            if held.case.version >= self.case.version:  # reading may have begun before the state that we know
                self.case = held.case
            if action_id in held.memo.actions:
                return True
        return False


@asynccontextmanager
async def _answers(settings: AgentSettings, case: Case, partition: int) -> AsyncIterator[_Answers]:
    # A consumer of the agent's group, to ask for its offsets. It is assigned nothing, so it does not join the group.
    group = AIOKafkaConsumer(**settings.brokers.options(), group_id=settings.group, enable_auto_commit=False)
    fetch_wait_ms = min(settings.fetch_wait_ms, FETCH_WAIT_MS)
    try:
        await group.start()
        async with TopicReader(settings.brokers, committed_only=settings.fenced, fetch_wait_ms=fetch_wait_ms) as reader:
            answers = _Answers(settings, reader, group, case, partition)
            await answers.start()
            yield answers
    finally:
        await close(group)


async def _publish(settings: AgentSettings, partition: int, action: CaseAction) -> int:
    """The offset of the action, once it is durable."""
    producer = AIOKafkaProducer(**settings.brokers.options(), acks="all")
    try:
        await producer.start()
        sent = await producer.send_and_wait(
            settings.case_actions_topic,
            msgspec.json.encode(action),
            key=action.account_id.encode(),
            partition=partition,
        )
        return int(sent.offset)
    finally:
        await close(producer)


def rejection(case: Case, action: CaseAction, other_open_case: str | None) -> RejectedActionError:
    """The error for an action that the agent has rejected. `case`: its newest known state. If that would allow the
    action, its `code` is None: the agent has decided on a newer state."""
    match acted_on(case, action, other_open_case):
        case RejectedAction(code, sentence):
            return RejectedActionError(action, case, code, sentence)
        case _:
            return RejectedActionError(
                action,
                case,
                None,
                f"case {case.case_id} is {case.status}; the agent's log says why, under {action.action_id}.",
            )
