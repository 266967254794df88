"""Reads the notices that customers were sent, and answers one, as the bank's app does."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Notice, NoticeAnswer
from fraudstream.contracts.case_notices import NoticeReply
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka.closing import close
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader
from fraudstream.operations.errors import InvalidValueError, MissingTopicError


class SentNotice(NamedTuple):
    """A notice and the account that its record names."""

    account_id: str
    notice: Notice


class PublishedAnswer(NamedTuple):
    """An answer, and where its record is."""

    answer: NoticeAnswer
    partition: int
    offset: int


async def newest_notices(settings: AgentSettings, limit: int) -> list[SentNotice]:
    """The newest notices of the topic, the newest first, each once. Raises `MissingTopicError`, aiokafka's errors."""
    kept: dict[str, SentNotice] = {}
    for sent in await _all(settings):
        kept[sent.notice.notice_id] = sent
    return sorted(kept.values(), key=lambda each: -each.notice.asked_at_ms)[:limit]


async def answer_notice(
    settings: AgentSettings, notice_id: str, reply: NoticeReply, answered_at_ms: int
) -> PublishedAnswer:
    """Publish the answer to a notice, where the notice says. The case agent decides what becomes of it.

    Raises `InvalidValueError` if the topic has no such notice, `MissingTopicError`, aiokafka's errors.
    """
    found = next((sent for sent in await _all(settings) if sent.notice.notice_id == notice_id), None)
    if found is None:
        sentence = f"{settings.notices_topic} has no notice {notice_id}: fraudstream notices list."
        raise InvalidValueError("notice_id", notice_id, sentence)
    answer = NoticeAnswer(
        answer_id=secrets.token_hex(16),
        notice_id=notice_id,
        account_id=found.account_id,
        reply=reply,
        answered_at=answered_at_ms,
    )
    producer = AIOKafkaProducer(**settings.brokers.options(), acks="all")
    try:
        await producer.start()
        sent = await producer.send_and_wait(
            settings.notice_answers_topic,
            msgspec.json.encode(answer),
            key=found.account_id.encode(),
            partition=found.notice.answer_partition,
        )
    finally:
        await close(producer)
    return PublishedAnswer(answer, int(sent.partition), int(sent.offset))


async def _all(settings: AgentSettings) -> list[SentNotice]:
    found: list[SentNotice] = []
    topic = settings.notices_topic
    async with TopicReader(settings.brokers, committed_only=settings.fenced) as reader:
        try:
            partitions = await reader.partitions(topic)
        except NoTopicError as error:
            raise MissingTopicError(settings.brokers.servers, topic) from error
        for partition in partitions:
            begin, end = await reader.extent(topic, partition)
            async for records in reader.forward(topic, partition, begin, end):
                for record in records:
                    try:
                        notice = msgspec.json.decode(record.value or b"", type=Notice)
                    except UNDECODABLE:
                        continue  # not a record of the agent's
                    found.append(SentNotice((record.key or b"").decode(errors="replace"), notice))
    return found
