"""A publisher that waits for the answer gets it on its own topic, and can make no worker write anywhere else."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from fraudstream.contracts import Decision, UnjudgedDecision
from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.engine.engine import Engine
from fraudstream.kafka.record_batch.writer import WrittenRecords
from fraudstream.stream import replies
from fraudstream.stream.reply_address import reply_address
from tests.unit.stream.in_memory import (
    InMemorySender,
    Record,
    SentRecord,
    Worker,
    chain,
    payment,
    payment_with_device,
)

CORRELATION = "kafka_correlationId"
Headers = tuple[tuple[str, bytes], ...]


def asking(topic: str = "replies", partition: int | None = 2, correlation: bytes = b"c-1") -> Headers:
    """As Spring's template writes them."""
    where = () if partition is None else (("kafka_replyPartition", struct.pack(">i", partition)),)
    return (("kafka_replyTopic", topic.encode()), *where, (CORRELATION, correlation))


def with_headers(record: Record, *headers: tuple[str, bytes]) -> Record:
    return record._replace(headers=(*record.headers, *headers))


async def worked(*records: Record, engine: Engine | None = None, **settings: Any) -> Worker:
    worker = Worker(engine, topics={"replies": 4, "replies-java": 1, "secrets": 4}, **settings)
    await worker.assign(0)
    await worker.process(*records)
    await worker.settle()
    return worker


def sent_to(worker: Worker, topic: str) -> list[tuple[int, SentRecord]]:
    return [(number, record) for name, number, records in worker.sender.batches if name == topic for record in records]


def counted(worker: Worker) -> Mapping[str, int]:
    return sum(map(Counter, worker.observer.replies), Counter[str]())


async def test_an_answer_is_the_decision_again_with_the_correlation_id_in_the_partition_that_is_asked_for() -> None:
    worker = await worked(payment(0), with_headers(payment(1), *asking()), payment(2))
    decisions = worker.sender.sent("decisions")
    assert len(decisions) == 3
    ((partition, reply),) = sent_to(worker, "replies")
    assert partition == 2
    assert (reply.key, reply.value) == (b"a", decisions[1].value)
    assert reply.headers == [(CORRELATION, b"c-1")]
    assert counted(worker) == {"sent": 1}


async def test_nobody_who_does_not_ask_costs_a_reply() -> None:
    worker = await worked(payment(0), with_headers(payment(1), (CORRELATION, b"c")), payment(2))
    assert {topic for topic, _, _ in worker.sender.batches} == {"decisions", "alerts"}
    assert worker.observer.replies == []


async def test_replies_of_a_batch_to_one_partition_are_one_batch_and_each_has_its_own_correlation_id() -> None:
    records = [with_headers(payment(k), *asking(partition=k % 2, correlation=b"%d" % k)) for k in range(6)]
    worker = await worked(*records)
    batches = [(number, len(found)) for topic, number, found in worker.sender.batches if topic == "replies"]
    assert sorted(batches) == [(0, 3), (1, 3)]
    found = {dict(reply.headers)[CORRELATION]: reply for _, reply in sent_to(worker, "replies")}
    for k in range(6):
        assert msgspec.json.decode(found[b"%d" % k].value, type=Decision).event_id == f"e{k}"


async def test_without_a_partition_the_key_chooses_one() -> None:
    records = [with_headers(payment(k, f"a{k}"), *asking(partition=None)) for k in range(20)]
    worker = await worked(*records, misplaced="count")
    assert {number for number, _ in sent_to(worker, "replies")} == {0, 1, 2, 3}


async def test_a_copy_in_the_partition_of_its_key_is_answered_from_there() -> None:
    elsewhere = with_headers(payment(0, "a0"), *asking())  # murmur2 puts the key in partition 2 of 4
    worker = await worked(elsewhere)
    ((partition, copy),) = sent_to(worker, "payments")
    assert (partition, copy.headers[: len(asking())]) == (2, list(asking()))
    assert sent_to(worker, "replies") == []
    await worker.assign(0, 2)
    await worker.process(Record(0, copy.value, copy.key, copy.headers), partition=2)
    await worker.settle()
    assert len(sent_to(worker, "replies")) == 1


async def test_a_topic_that_begins_as_the_settings_say_is_allowed() -> None:
    worker = await worked(with_headers(payment(0), *asking("replies-java", 0)))
    assert len(sent_to(worker, "replies-java")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        asking("secrets"),
        asking("decisions"),
        asking("replies-of-nobody"),
        asking(partition=4),
        asking(partition=-1),
        asking(correlation=b""),
        asking(correlation=b"c" * 257),
        asking("r" * 300),
        (("kafka_replyTopic", "réplies".encode()), (CORRELATION, b"c")),
        (("kafka_replyTopic", b"\xff\xfe"), (CORRELATION, b"c")),
        (("kafka_replyTopic", b"replies"),),
        (("kafka_replyTopic", b"replies"), ("kafka_replyPartition", b"2"), (CORRELATION, b"c")),
    ],
    ids=str,
)
@pytest.mark.parametrize("engine", [None, chain()], ids=["one stage", "the first of two stages"])
async def test_a_reply_that_may_not_or_cannot_be_sent_is_counted_and_stops_nothing(
    headers: Headers, engine: Engine | None
) -> None:
    """Of a chain, the first stage answers what it refuses itself, as here."""
    wrong = with_headers(Record(0, b"{", b"a"), *headers)
    worker = await worked(wrong, payment_with_device(1), engine=engine)
    await worker.checkpoint()
    written = {topic for topic, _, _ in worker.sender.batches}
    assert written <= {"decisions", "alerts", "dead-letters", worker.settings.next_topic}
    assert counted(worker) == {"refused": 1}
    assert worker.observer.checkpoints[-1] == (0, 2)


async def test_a_topic_that_is_created_later_is_found_when_the_topics_are_looked_at() -> None:
    worker = await worked(with_headers(payment(0), *asking("replies-go", 1)))
    assert counted(worker) == {"refused": 1}
    worker.stage.replies.know({"replies-go": 2, "secrets": 2})
    await worker.process(with_headers(payment(1), *asking("replies-go", 1)))
    await worker.process(with_headers(payment(2), *asking("secrets", 1)))
    await worker.settle()
    assert len(sent_to(worker, "replies-go")) == 1
    assert counted(worker) == {"refused": 2, "sent": 1}


@pytest.mark.parametrize("engine", [None, chain()], ids=["one stage", "the first of two stages"])
@pytest.mark.parametrize("setting", [{}, {"answer_unjudged": False}, {"decisions": False}], ids=str)
async def test_a_record_that_cannot_be_judged_is_answered_with_code_sentence_and_path(
    engine: Engine | None, setting: dict[str, bool]
) -> None:
    number = b'{"event_id":"e1","account_id":"a","occurred_at":1000,"amount":1,"currency":"EUR","direction":"debit"}'
    worker = await worked(with_headers(Record(0, number, b"a"), *asking()), engine=engine, **setting)
    ((partition, reply),) = sent_to(worker, "replies")
    answer = msgspec.json.decode(reply.value, type=UnjudgedDecision)
    assert (partition, reply.headers) == (2, [(CORRELATION, b"c-1")])
    assert (answer.reason, answer.event_id, answer.path) == ("invalid", "e1", "$.amount")
    assert answer.sentence == "amount must be text, not a whole number: put it in quotes."
    assert len(worker.sender.sent("decisions")) == (0 if setting else 1)
    assert len(worker.sender.sent("dead-letters")) == 1


async def test_decisions_that_are_not_published_are_answered_all_the_same() -> None:
    worker = await worked(with_headers(payment(0), *asking()), payment(1), decisions=False)
    assert len(sent_to(worker, "replies")) == 1
    assert worker.sender.sent("decisions") == []


async def test_a_refused_label_is_not_answered() -> None:
    worker = await worked(with_headers(Record(0, b"{}", b"a", (LABEL_HEADER,)), *asking()))
    assert len(worker.sender.sent("dead-letters")) == 1
    assert sent_to(worker, "replies") == []


async def test_a_repeat_gets_its_first_verdict_at_its_own_address() -> None:
    first = with_headers(payment(0, event_id="e"), *asking(partition=0, correlation=b"first"))
    second = with_headers(payment(1, event_id="e"), *asking(partition=1, correlation=b"second"))
    worker = await worked(first, second)
    (_, one), (number, other) = sorted(sent_to(worker, "replies"), key=lambda reply: reply[0])
    decided, repeated = (msgspec.json.decode(reply.value, type=Decision) for reply in (one, other))
    assert (number, other.headers) == (1, [(CORRELATION, b"second")])
    assert (decided.repeat, repeated.repeat) == (False, True)
    assert msgspec.structs.replace(repeated, repeat=False) == decided


async def test_a_chain_forwards_the_address_and_its_last_stage_answers() -> None:
    engine = chain()
    first = Worker(engine, topics={"replies": 4})
    await first.assign(0)
    records = [
        with_headers(payment_with_device(k), *(asking(correlation=b"%d" % k) if k % 2 else ())) for k in range(4)
    ]
    await first.process(*records)
    await first.settle()
    assert sent_to(first, "replies") == []
    assert first.settings.next_topic is not None
    forwarded = first.sender.sent(first.settings.next_topic)
    kept = [[header for header in record.headers if header[0].startswith("kafka_")] for record in forwarded]
    assert kept == [list(asking(correlation=b"%d" % k)) if k % 2 else [] for k in range(4)]

    last = Worker(engine, topics={"replies": 4}, last=True)
    await last.assign(0)
    await last.process(*(Record(k, each.value, each.key, each.headers) for k, each in enumerate(forwarded)))
    await last.settle()
    correlations = [dict(reply.headers)[CORRELATION] for _, reply in sent_to(last, "replies")]
    assert correlations == [b"1", b"3"]


async def test_a_backfill_answers_nobody() -> None:
    worker = await worked(with_headers(payment(0), *asking()), engine=chain(), state_version=2, backfill=True)
    assert sent_to(worker, "replies") == []


async def test_a_crash_repeats_replies_and_loses_none() -> None:
    worker = Worker(topics={"replies": 4})
    await worker.assign(0)
    worker.sender.gate.clear()
    asked = [with_headers(payment(k), *asking(correlation=b"%d" % k)) for k in range(3)]
    await worker.process(*asked)
    worker.sender.gate.set()
    successor = worker.successor()
    await successor.assign(0)
    await successor.process(*asked)
    await successor.settle()
    found = {dict(reply.headers)[CORRELATION] for _, reply in sent_to(successor, "replies")}
    assert found == {b"0", b"1", b"2"}


async def test_a_checkpoint_waits_for_the_replies_before_it() -> None:
    worker = Worker(topics={"replies": 4}, sender=SlowReplies())
    sender = worker.sender
    assert isinstance(sender, SlowReplies)
    await worker.assign(0)
    sender.reply_gate.clear()
    await worker.process(with_headers(payment(0), *asking()))
    pending = set(worker.stage.partitions[0].pending)
    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    assert any(not each.done() for each in pending)
    sender.reply_gate.set()
    await worker.checkpoint()
    assert all(each.done() for each in pending)
    assert len(sent_to(worker, "replies")) == 1


async def test_a_reply_that_fails_is_counted_and_the_next_one_is_sent() -> None:
    worker = Worker(topics={"replies": 4}, sender=SlowReplies())
    sender = worker.sender
    assert isinstance(sender, SlowReplies)
    await worker.assign(0)
    sender.reply_error = ConnectionError("the leader is away")
    await worker.process(with_headers(payment(0), *asking()))
    await worker.settle()
    sender.reply_error = None
    await worker.process(with_headers(payment(1), *asking()))
    await worker.settle()
    await worker.checkpoint()
    assert counted(worker) == {"failed": 1, "sent": 1}
    assert len(worker.sender.sent("decisions")) == 2


async def test_a_partition_that_takes_no_replies_holds_no_checkpoint_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "SEND_S_MAX", 0.01)
    worker = Worker(topics={"replies": 4}, sender=SlowReplies())
    sender = worker.sender
    assert isinstance(sender, SlowReplies)
    await worker.assign(0)
    sender.reply_gate.clear()
    await worker.process(with_headers(payment(0), *asking()))
    await worker.checkpoint()
    assert counted(worker) == {"failed": 1}
    assert worker.observer.checkpoints[-1] == (0, 1)
    sender.reply_gate.set()


async def test_too_many_replies_that_wait_for_one_partition_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "WAITING_RECORDS_MAX", 2)
    worker = Worker(topics={"replies": 4}, sender=SlowReplies())
    sender = worker.sender
    assert isinstance(sender, SlowReplies)
    await worker.assign(0)
    sender.reply_gate.clear()
    for k in range(4):
        await worker.process(with_headers(payment(k), *asking()))
        await asyncio.sleep(0)
    sender.reply_gate.set()
    await worker.settle()
    assert counted(worker) == {"sent": 3, "failed": 1}
    assert len(worker.sender.sent("decisions")) == 4


def test_of_several_headers_of_one_name_the_last_counts() -> None:
    address = reply_address([("kafka_replyTopic", b"a"), (CORRELATION, b"1"), ("kafka_replyTopic", b"b")])
    assert address is not None
    assert address.topic == "b"


class SlowReplies(InMemorySender):
    """Replies wait at a gate of their own, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.reply_gate = asyncio.Event()
        self.reply_gate.set()
        self.reply_error: Exception | None = None

    async def send_batch(self, batch: WrittenRecords, topic: str, partition: int) -> None:
        if topic == "replies":
            await self.reply_gate.wait()
            if self.reply_error is not None:
                raise self.reply_error
        await super().send_batch(batch, topic, partition)
