"""What a batch becomes: answers sent, position advanced; and which batches are not applied. All in memory."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from fraudstream.contracts import DeadLetter, Decision
from fraudstream.contracts.headers import BACKFILLED_HEADER, FEATURES_HEADER, source_header
from fraudstream.engine.engine import Engine
from fraudstream.stream.partition import PENDING_MAX
from fraudstream.stream.process import REFETCHES_MAX, TOGETHER_MAX
from tests.unit.stream.in_memory import OWN, STRICT, Record, Worker, batch, chain, payment, payment_with_device, switch


async def a_worker(engine: Engine | None = None) -> Worker:
    worker = Worker(engine)
    await worker.assign(0)
    return worker


def decided(worker: Worker) -> list[str]:
    """Ids of the payments that were judged, in order."""
    decode = msgspec.json.Decoder(Decision).decode
    sent = [record.value for record in worker.sender.sent("decisions")]
    return [decode(value).event_id for value in sent if b'"unjudged"' not in value]


async def test_every_payment_is_answered_and_the_position_is_behind_the_batch() -> None:
    worker = await a_worker()
    await worker.process(payment(0), payment(1), payment(2, "b"))
    await worker.settle()
    assert decided(worker) == ["e0", "e1", "e2"]
    assert len(worker.sender.sent("alerts")) == 1
    assert worker.stage.partitions[0].next_offset == 3
    (report,) = worker.observer.judged
    assert (report.records, report.payments, report.alerts, report.dead_letters) == (3, 3, 1, {})
    assert worker.observer.lags == [(0, 0)]


async def test_an_answer_names_the_record_that_it_answers_and_is_keyed_by_account() -> None:
    worker = await a_worker()
    await worker.process(payment(0, "a"), payment(1, "b"))
    await worker.settle()
    assert [(record.key, record.headers) for record in worker.sender.sent("decisions")] == [
        (b"a", [source_header(0, 0)]),
        (b"b", [source_header(0, 1)]),
    ]


async def test_an_invalid_record_becomes_a_dead_letter_and_does_not_stop_the_others() -> None:
    worker = await a_worker()
    await worker.process(payment(0), Record(1, b"{", b"a"), payment(2))
    await worker.settle()
    (sent,) = worker.sender.sent("dead-letters")
    letter = msgspec.json.decode(sent.value, type=DeadLetter)
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("payments", 0, 1, "not_json")
    assert decided(worker) == ["e0", "e2"]
    assert worker.observer.judged[0].dead_letters == {"not_json": 1}


async def test_the_outputs_of_one_fetch_leave_in_one_batch() -> None:
    worker = Worker(chain())
    await worker.assign(0, 1)
    before_last = list[int]()
    step = {0: batch(payment_with_device(0)), 1: batch(payment_with_device(0, "d"), payment_with_device(1, "h"))}
    await worker.stage.processor.process(
        step, lambda: before_last.append(sum(report.records for report in worker.observer.forwarded))
    )
    await worker.settle()
    assert before_last == [1]
    topic = worker.settings.next_topic
    assert [len(records) for name, _, records in worker.sender.batches if name == topic] == [3]
    assert [worker.stage.partitions[number].next_offset for number in (0, 1)] == [1, 2]


async def test_the_outputs_of_a_large_fetch_do_not_wait_for_one_another() -> None:
    worker = Worker(chain())
    await worker.assign(0, 1)
    large = batch(*(payment_with_device(offset) for offset in range(TOGETHER_MAX)))
    await worker.stage.processor.process({0: large, 1: batch(payment_with_device(0, "d"))})
    await worker.settle()
    sources = [dict(record.headers)["source"] for record in worker.sender.sent(str(worker.settings.next_topic))]
    assert len(sources) == TOGETHER_MAX + 1
    assert sources[-1] == b"1:0"


async def test_a_batch_that_is_dropped_does_not_hold_up_the_others_of_its_fetch() -> None:
    worker = await a_worker()
    await worker.stage.processor.process({3: batch(payment(0)), 0: batch(payment(0)), 4: batch(payment(5))})
    await worker.settle()
    assert decided(worker) == ["e0"]


async def test_a_batch_beyond_the_position_is_not_applied_and_fetching_seeks_back() -> None:
    worker = await a_worker()
    await worker.process(payment(5))
    assert worker.input.sought == [(0, 0)]
    assert worker.stage.partitions[0].next_offset == 0
    assert worker.observer.judged == []


async def test_batches_that_stay_beyond_the_position_are_a_fault() -> None:
    worker = await a_worker()
    for _ in range(REFETCHES_MAX):
        await worker.process(payment(5))
    with pytest.raises(AssertionError, match=f"payments-0: {REFETCHES_MAX + 1} batches in a row begin beyond 0"):
        await worker.process(payment(5))


async def test_markers_before_and_behind_the_records_count_as_applied() -> None:
    worker = await a_worker()
    await worker.stage.processor.process({0: batch(payment(2), first=0, following=4)})
    assert worker.stage.partitions[0].next_offset == 4


async def test_what_was_applied_is_not_applied_again() -> None:
    worker = await a_worker()
    await worker.process(payment(0), payment(1))
    await worker.process(payment(0), payment(1))
    await worker.process(payment(1), payment(2))
    await worker.settle()
    assert decided(worker) == ["e0", "e1", "e2"]
    assert [report.repeats for report in worker.observer.judged] == [0, 0]


async def test_a_batch_of_a_partition_that_is_frozen_or_not_held_is_dropped() -> None:
    worker = await a_worker()
    worker.stage.partitions[0].frozen = True
    await worker.process(payment(0))
    await worker.process(payment(0), partition=3)
    assert (worker.observer.judged, worker.sender.batches) == ([], [])
    assert worker.stage.partitions[0].next_offset == 0


async def test_the_position_advances_although_the_brokers_acknowledge_nothing() -> None:
    worker = await a_worker()
    worker.sender.gate.clear()
    await worker.process(payment(0))
    await worker.process(payment(1))
    assert worker.stage.partitions[0].next_offset == 2
    assert worker.sender.batches == []


async def test_processing_waits_while_too_many_batches_are_unacknowledged() -> None:
    worker = await a_worker()
    worker.sender.gate.clear()
    records = [payment(offset, f"account-{offset}") for offset in range(12 * PENDING_MAX)]
    processing = asyncio.create_task(worker.process(*records))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not processing.done()
    worker.sender.gate.set()
    await processing


async def test_an_output_that_was_not_acknowledged_fails_the_processing_of_a_later_batch() -> None:
    worker = await a_worker()
    worker.sender.error = ConnectionError("refused")
    await worker.process(payment(0))
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(ConnectionError):
        await worker.process(payment(1))


async def test_a_switch_in_the_middle_of_a_batch_takes_effect_between_its_neighbours() -> None:
    worker = await a_worker()
    assert worker.observer.decided == [(0, OWN.digest)]
    await worker.process(payment(0, "a"), switch(1, STRICT.digest), payment(2, "b"))
    await worker.settle()
    assert worker.rule_sets.loaded == [STRICT.digest]
    assert [report.alerts for report in worker.observer.judged] == [0, 1], "the second rule set alerts on each payment"
    assert [report.records for report in worker.observer.judged] == [1, 2]
    assert worker.observer.decided[1:] == [(0, STRICT.digest)]
    assert worker.stage.partitions[0].next_offset == 3


async def test_a_switch_to_a_rule_set_that_cannot_be_had_is_a_dead_letter_and_changes_nothing() -> None:
    worker = await a_worker()
    await worker.process(payment(0, "a"), switch(1, "0" * 16), payment(2, "b"))
    await worker.settle()
    assert worker.stage.partitions[0].state.rule_set == OWN.digest
    assert len(worker.sender.sent("dead-letters")) == 1
    assert decided(worker) == ["e0", "e2"]


async def test_the_next_owner_continues_under_the_rule_set_in_force() -> None:
    worker = await a_worker()
    await worker.process(switch(0, STRICT.digest))
    await worker.checkpoint()
    successor = worker.successor()
    await successor.assign(0)
    assert successor.observer.decided == [(0, STRICT.digest)]
    await successor.process(payment(1, "b"))
    assert successor.observer.judged[0].alerts == 1


async def test_a_stage_that_another_one_follows_forwards_payments_with_their_features() -> None:
    worker = await a_worker(chain())
    await worker.process(payment_with_device(0), Record(1, b"{", b"a"), payment_with_device(2))
    await worker.settle()
    assert worker.settings.next_topic is not None
    sent = worker.sender.sent(worker.settings.next_topic)
    assert [record.key for record in sent] == [b"d", b"d"], "keyed by the next stage's entity"
    assert [record.value for record in sent] == [payment_with_device(0).value, payment_with_device(2).value]
    for record, offset in zip(sent, (0, 2), strict=True):
        headers = dict(record.headers)
        assert source_header(0, offset) in record.headers
        assert FEATURES_HEADER in headers
        assert BACKFILLED_HEADER not in record.headers
    (report,) = worker.observer.forwarded
    assert (report.records, report.forwarded, report.dead_letters) == (3, 2, {"not_json": 1})
    assert decided(worker) == []
    assert len(worker.sender.sent("dead-letters")) == 1
    assert worker.stage.partitions[0].next_offset == 3


async def test_forwarding_seeks_back_and_restores_like_judging() -> None:
    worker = await a_worker(chain())
    await worker.process(payment_with_device(3))
    assert worker.input.sought == [(0, 0)]
    await worker.process(payment_with_device(0))
    await worker.checkpoint()
    successor = worker.successor()
    await successor.assign(0)
    assert successor.stage.partitions[0].next_offset == 1
    assert successor.rule_sets.calls == [], "a stage that does not decide needs no rule set"
