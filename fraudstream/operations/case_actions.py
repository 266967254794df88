"""Act on a case: publish the action and wait for the case agent's answer.

The case agent alone decides whether an action is allowed. It answers every action on the topic of answers, in the
partition of the case: accepted, with the case as it is then, or refused with a code and a sentence.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, NamedTuple, TypedDict, Unpack

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Case, CaseAction, CaseAnswer
from fraudstream.contracts.case_typologies import Typology
from fraudstream.contracts.case_values import ActionName, Disposition, WaitingFor
from fraudstream.contracts.fields import Severity
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka.closing import close
from fraudstream.kafka.partitions import topics_of
from fraudstream.kafka.topic_reader import FETCH_WAIT_MS, TopicReader
from fraudstream.operations.checked_text import check_identifier, check_note
from fraudstream.operations.errors import InvalidValueError, MissingTopicError, OperationError

ANSWER_S_MAX: Final = 30.0  # an agent answers within milliseconds
POLL_S: Final = 0.05


class CaseActionResult(NamedTuple):
    """The accepted action, and the case as it is after it."""

    action: CaseAction
    case: Case


class RejectedActionError(OperationError):
    """The case agent rejected the action: it changed nothing. `code`: why (`cases.refusal.RefusalCode`, or one of a
    newer agent). `case`: the state that the agent has decided on, or else the caller's."""

    def __init__(self, action: CaseAction, case: Case, code: str, sentence: str) -> None:
        super().__init__(f"The case agent rejected '{action.action}': {sentence}")
        self.action = action
        self.case = case
        self.code = code


class RejectedOpeningError(OperationError):
    """The case agent opened no case. `code`: why (`cases.refusal.RefusalCode`, or one of a newer agent)."""

    def __init__(self, action: CaseAction, code: str, sentence: str) -> None:
        super().__init__(f"The case agent opened no case: {sentence}")
        self.action = action
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


class ActionDetails(TypedDict, total=False):
    """What an action needs beyond its name: the fields of `CaseAction`."""

    note: str | None
    disposition: Disposition | None
    typology: Typology | None
    assignee: str | None
    waiting_for: WaitingFor | None
    until: int | None
    escalate_to: str | None
    other_case_id: str | None
    expected_version: int | None


def new_case_action(
    case: Case,
    name: ActionName,
    *,
    actor: str,
    acted_at_ms: int,
    action_id: str | None = None,
    **details: Unpack[ActionDetails],
) -> CaseAction:
    """An action on `case`, with an id of its own unless `action_id` is given. Raises `InvalidValueError`."""
    check_identifier(actor, "actor")
    check_note(details.get("note"))
    for field in ("assignee", "escalate_to", "other_case_id"):
        value = details.get(field)
        if isinstance(value, str):
            check_identifier(value, field)
    try:
        return CaseAction(
            action_id=action_id or secrets.token_hex(16),
            case_id=case.case_id,
            account_id=case.account_id,
            action=name,
            actor=actor,
            acted_at=acted_at_ms,
            **details,
        )
    except ValueError as error:  # of CaseAction itself, such as close without a disposition
        raise InvalidValueError("action", name, f"{str(error).rstrip('.')}.") from error


def new_opening(account_id: str, *, actor: str, acted_at_ms: int, severity: Severity, reason: str) -> CaseAction:
    """The action that opens a case of an account by hand. Raises `InvalidValueError`."""
    check_identifier(actor, "actor")
    check_identifier(account_id, "account_id")
    check_note(reason)
    if not reason:
        raise InvalidValueError("reason", reason, "a case that is opened by hand needs a reason.")
    action_id = secrets.token_hex(16)
    return CaseAction(
        action_id=action_id,
        case_id=case_id_of(account_id, action_id),
        account_id=account_id,
        action="open",
        actor=actor,
        acted_at=acted_at_ms,
        note=reason,
        severity=severity,
    )


async def open_case(
    settings: AgentSettings, action: CaseAction, partition: int | None, *, answer_s_max: float = ANSWER_S_MAX
) -> tuple[Case, int]:
    """Publish the action `open` and wait for the agent's answer: the new case, and its partition. `partition`: of the
    account's other cases; None: where Kafka's default partitioner puts the account. Raises `RejectedOpeningError`, and
    else as `act_on_case` does."""
    if partition is None:
        numbers = (await topics_of(settings.brokers)).get(settings.case_actions_topic, [])
        if not numbers:
            raise MissingTopicError(settings.brokers.servers, settings.case_actions_topic)
        partition = int(DefaultPartitioner()(action.account_id.encode(), numbers, numbers))
    answer = await _answered(settings, partition, action, answer_s_max)
    if not answer.accepted or answer.case is None:
        raise RejectedOpeningError(action, answer.code or "", answer.sentence or "")
    return answer.case, partition


async def act_on_case(
    settings: AgentSettings,
    case: Case,
    partition: int,
    action: CaseAction,
    *,
    answer_s_max: float = ANSWER_S_MAX,
) -> CaseActionResult:
    """Publish `action` to the partition of the case, and wait for the agent's answer.

    `case` and `partition`: as the view has them; the case may be out of date. Raises `RejectedActionError`,
    `NoAnswerError`, `MissingTopicError`, and what aiokafka raises.
    """
    answer = await _answered(settings, partition, action, answer_s_max)
    if answer.accepted:
        return CaseActionResult(action, answer.case or case)
    raise RejectedActionError(action, answer.case or case, answer.code or "", answer.sentence or "")


async def _answered(settings: AgentSettings, partition: int, action: CaseAction, answer_s_max: float) -> CaseAnswer:
    """Publish the action and wait for its answer."""
    topics = await topics_of(settings.brokers)
    for topic in (settings.case_actions_topic, settings.case_answers_topic):
        if partition not in topics.get(topic, ()):
            raise MissingTopicError(settings.brokers.servers, topic)
    fetch_wait_ms = min(settings.fetch_wait_ms, FETCH_WAIT_MS)
    async with TopicReader(settings.brokers, committed_only=settings.fenced, fetch_wait_ms=fetch_wait_ms) as reader:
        begin = (await reader.extent(settings.case_answers_topic, partition)).end  # before the action is published
        offset = await _publish(settings, partition, action)
        try:
            async with asyncio.timeout(answer_s_max):
                return await _answer(reader, settings.case_answers_topic, partition, begin, action.action_id)
        except TimeoutError:
            raise NoAnswerError(action, settings.case_actions_topic, partition, offset, answer_s_max) from None


async def _answer(reader: TopicReader, topic: str, partition: int, begin: int, action_id: str) -> CaseAnswer:
    """The answer to the action among those from offset `begin` on; waits until there is one."""
    while True:
        end = (await reader.extent(topic, partition)).end
        async for records in reader.forward(topic, partition, begin, end):
            for record in records:
                answer = _decoded(record.value)
                if answer is not None and answer.action_id == action_id:
                    return answer
        begin = max(begin, end)
        await asyncio.sleep(POLL_S)


def _decoded(value: bytes | None) -> CaseAnswer | None:
    try:
        return msgspec.json.decode(value or b"", type=CaseAnswer)
    except UNDECODABLE:
        return None  # not a record of the agent's


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
