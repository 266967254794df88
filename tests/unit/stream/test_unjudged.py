"""Records that cannot be judged are answered too, so that no payment system waits for a decision forever."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fraudstream.contracts import DeadLetter, UnjudgedDecision
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER, source_header
from fraudstream.engine.columns import Rejection
from fraudstream.engine.engine import Engine
from fraudstream.kafka import Brokers
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.unjudged import UnjudgedAnswers
from tests.unit.stream.in_memory import Record, SentRecord, Worker, chain, payment, switch

NUMBER = b'{"event_id":"e1","account_id":"a","occurred_at":1000,"amount":1,"currency":"EUR","direction":"debit"}'
SENTENCE = "amount must be text, not a whole number: put it in quotes."


async def worked(*records: Record, engine: Engine | None = None, **settings: Any) -> Worker:
    worker = Worker(engine, **settings)
    await worker.assign(0)
    await worker.process(*records)
    await worker.settle()
    return worker


def unjudged(record: SentRecord) -> UnjudgedDecision:
    return msgspec.json.decode(record.value, type=UnjudgedDecision)


@pytest.mark.parametrize("engine", [None, chain()], ids=["one stage", "the first of two stages"])
async def test_a_record_that_cannot_be_judged_is_answered_with_the_reason_of_its_dead_letter(
    engine: Engine | None,
) -> None:
    worker = await worked(Record(0, NUMBER, b"a"), engine=engine)
    (answer,), (sent,) = worker.sender.sent("decisions"), worker.sender.sent("dead-letters")
    letter = msgspec.json.decode(sent.value, type=DeadLetter)
    assert answer.key == b"a"
    source = [source_header(0, 0)] if engine is None else []
    assert answer.headers == [*source, ("record", b"payments:0:0")]
    assert unjudged(answer) == UnjudgedDecision("invalid", SENTENCE, "e1", "a", 1000, path="$.amount")
    assert (letter.reason, letter.sentence) == ("invalid", SENTENCE)
    assert msgspec.json.decode(answer.value)["outcome"] == "unjudged"
    (report,) = worker.observer.judged or worker.observer.forwarded
    assert report.decisions == {"unjudged": 1}


async def test_answers_are_in_the_order_of_the_log() -> None:
    worker = await worked(payment(0), Record(1, b"{", b"a"), payment(2), Record(3, b"", b"b"), payment(4))
    sources = [dict(record.headers)["source"] for record in worker.sender.sent("decisions")]
    assert sources == [b"0:%d" % offset for offset in range(5)]
    assert worker.observer.judged[0].decisions == {"allow": 1, "review": 2, "unjudged": 2}


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (Record(0, NUMBER, b"other"), b"other"),
        (Record(0, NUMBER, None), b"a"),
        (Record(0, b"{", None), None),
        (Record(0, NUMBER, b"k" * 4_096), b"k" * 4_096),
        (Record(0, NUMBER, b"k" * 4_097), b"a"),
        (payment(0)._replace(key=b"b"), b"b"),
        (payment(0)._replace(key=None), b"a"),
    ],
)
async def test_an_answer_has_the_key_of_its_record_else_the_account_that_could_be_read(
    record: Record, key: bytes | None
) -> None:
    worker = await worked(record)
    assert [answer.key for answer in worker.sender.sent("decisions")] == [key]


@pytest.mark.parametrize("engine", [None, chain()], ids=["one stage", "the first of two stages"])
async def test_labels_and_controls_that_are_refused_are_not_answered(engine: Engine | None) -> None:
    worker = await worked(
        Record(0, b"{}", b"a", (LABEL_HEADER,)),
        Record(1, b"{}", None, (CONTROL_HEADER,)),
        switch(2, "0123456789abcdef"),
        engine=engine,
    )
    assert worker.sender.sent("dead-letters") != []
    assert worker.sender.sent("decisions") == []


@pytest.mark.parametrize("engine", [None, chain()], ids=["one stage", "the first of two stages"])
@pytest.mark.parametrize("setting", ["answer_unjudged", "decisions"])
async def test_a_setting_turns_the_answers_off(setting: str, engine: Engine | None) -> None:
    worker = await worked(Record(0, NUMBER, b"a"), engine=engine, **{setting: False})
    assert len(worker.sender.sent("dead-letters")) == 1
    assert worker.sender.sent("decisions") == []
    (report,) = worker.observer.judged or worker.observer.forwarded
    assert report.decisions == {}


async def test_what_is_refused_during_a_backfill_is_answered_by_the_version_that_decides() -> None:
    worker = await worked(Record(0, NUMBER, b"a"), engine=chain(), state_version=2, backfill=True)
    assert worker.sender.sent("decisions") == []


def test_a_later_stage_answers_under_the_account_as_its_log_has_other_keys() -> None:
    settings = StreamSettings(
        brokers=Brokers("nowhere:1"), checkpoint_mode="batch", stage="device", stage_is_first=False, state_version=2
    )
    records = [Record(7, NUMBER, b"device-1"), Record(8, b"{", b"device-1")]
    refused = [Rejection(0, "invalid", SENTENCE, "$.amount"), Rejection(1, "not_json", "Not valid JSON.", "$")]
    (first, answer), (second, keyless) = UnjudgedAnswers(settings).answers(3, records, refused)
    assert (first, answer[0], second, keyless[0]) == (0, b"a", 1, b"device-1")
    assert answer[2] == [
        ("source", b"3:7"),
        ("record", b"fraudstream-payments-by-device-v2:3:7"),
        ("state-version", b"2"),
    ]


@pytest.mark.parametrize(
    ("next_stage", "changes", "writes"),
    [
        (None, {}, True),
        (None, {"decisions": False}, False),
        (None, {"answer_unjudged": False}, True),
        ("device", {}, True),
        ("device", {"decisions": False}, False),
        ("device", {"answer_unjudged": False}, False),
    ],
)
def test_a_stage_needs_the_decisions_topic_if_it_writes_to_it(
    next_stage: str | None, changes: dict[str, Any], writes: bool
) -> None:
    settings = StreamSettings(brokers=Brokers("nowhere:1"), checkpoint_mode="batch", next_stage=next_stage, **changes)
    assert settings.writes_decisions is writes
