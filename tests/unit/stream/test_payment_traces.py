"""A sampled trace goes through the stages of a worker, from the headers of a payment to those of what it sends; a trace
that is not sampled, or a header that is not valid, changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fraudstream.kafka.record_batch.writer import WrittenRecords
from fraudstream.stream.payment_traces import RECORDED_MAX
from fraudstream.tracing.context import TraceContext, context_of
from tests.recorded_spans import CALLER, TRACE_ID, RecordingTracer
from tests.unit.stream.in_memory import (
    InMemorySender,
    Record,
    SentRecord,
    Worker,
    chain,
    payment,
    payment_with_device,
)

REPLY = (("kafka_replyTopic", b"replies"), ("kafka_correlationId", b"c"))


def traced(record: Record, context: TraceContext = CALLER, *headers: tuple[str, bytes]) -> Record:
    return record._replace(headers=(*record.headers, *context.headers(), *headers))


async def worked(*records: Record, tracer: RecordingTracer | None = None, **settings: Any) -> Worker:
    worker = Worker(topics={"replies": 4}, tracer=tracer, **settings)
    await worker.assign(0)
    await worker.process(*records)
    await worker.settle()
    await asyncio.sleep(0)
    return worker


def contexts_of(records: list[SentRecord]) -> list[TraceContext | None]:
    return [context_of(record.headers) for record in records]


async def test_decision_alert_and_reply_refer_to_spans_in_the_trace_of_the_payment() -> None:
    tracer = RecordingTracer()
    worker = await worked(payment(0), traced(payment(1), CALLER, *REPLY), payment(2), tracer=tracer)
    (decide,) = tracer.named("decide payments")
    assert (decide.parent, decide.kind, decide.ended, decide.error) == (CALLER, "consumer", 1, None)
    assert decide.attributes["fraudstream.event_id"] == "e1"
    assert decide.attributes["fraudstream.outcome"] == "review"
    assert decide.attributes["messaging.kafka.offset"] == 1
    for topic in ("decisions", "alerts"):
        (send,) = tracer.named(f"send {topic}")
        assert (send.parent, send.kind, send.ended, send.error) == (decide.context, "producer", 1, None)
        found = [context for context in contexts_of(worker.sender.sent(topic)) if context is not None]
        assert found == [send.context]
    assert contexts_of(worker.sender.sent("decisions"))[1] is not None
    assert contexts_of(worker.sender.sent("replies")) == [decide.context]
    assert all(span.context.trace_id == TRACE_ID for span in tracer.spans if span.parent is not None)


async def test_one_span_for_a_batch_is_linked_to_its_traced_payments() -> None:
    tracer, other = RecordingTracer(), TraceContext("a" * 32, "b" * 16)
    await worked(traced(payment(0)), payment(1), traced(payment(2), other), tracer=tracer)
    (batch,) = tracer.named("process payments")
    assert (batch.parent, batch.links, batch.ended) == (None, [CALLER, other], 1)
    assert batch.attributes["messaging.batch.message_count"] == 3
    assert batch.attributes["messaging.system"] == "kafka"


async def test_a_publisher_that_has_all_sampled_gets_a_bounded_number_of_spans_and_all_contexts() -> None:
    tracer = RecordingTracer()
    callers = [TraceContext(f"{k:032x}", "b" * 16) for k in range(1, RECORDED_MAX + 4)]
    worker = await worked(*(traced(payment(k), caller) for k, caller in enumerate(callers)), tracer=tracer)
    decided, sent = tracer.named("decide payments"), tracer.named("send decisions")
    assert [span.parent for span in decided] == callers[:RECORDED_MAX]
    assert contexts_of(worker.sender.sent("decisions")) == [span.context for span in sent] + callers[RECORDED_MAX:]
    assert len(sent) == RECORDED_MAX
    assert all(span.ended == 1 for span in tracer.spans)
    (batch,) = tracer.named("process payments")
    assert (len(batch.links), batch.attributes["fraudstream.traced_payments"]) == (RECORDED_MAX, len(callers))


async def test_the_figures_of_a_batch_name_the_traces_of_its_payments() -> None:
    worker = await worked(payment(0), traced(payment(1)), payment(2), tracer=RecordingTracer())
    (judged,) = worker.observer.judged
    assert judged.trace_ids == {1: TRACE_ID}


@pytest.mark.parametrize(
    "headers",
    [
        CALLER._replace(sampled=False).headers(),
        (("traceparent", b"01"),),
        (("traceparent", CALLER.traceparent.replace("-", "_").encode()),),
        (("traceparent", CALLER.traceparent.upper().encode() + b"1"),),
        (("tracestate", b"vendor=1"),),
    ],
)
async def test_a_trace_that_is_not_sampled_and_a_malformed_header_change_nothing(
    headers: tuple[tuple[str, bytes], ...],
) -> None:
    tracer, plain = RecordingTracer(), await worked(payment(0), payment(1))
    worker = await worked(payment(0), payment(1)._replace(headers=headers), tracer=tracer)
    assert tracer.spans == []
    for topic in ("decisions", "alerts"):
        sent, expected = worker.sender.sent(topic), plain.sender.sent(topic)
        assert [(each.value, each.headers) for each in sent] == [(each.value, each.headers) for each in expected]


async def test_without_a_tracer_the_context_of_the_payment_is_carried_on_as_it_is() -> None:
    worker = await worked(payment(0), traced(payment(1)))
    for topic in ("decisions", "alerts"):
        assert [found for found in contexts_of(worker.sender.sent(topic)) if found is not None] == [CALLER]


async def test_a_refused_payment_has_a_span_with_its_reason_and_a_traced_answer() -> None:
    tracer = RecordingTracer()
    worker = await worked(payment(0), traced(Record(1, b"{", b"a")), payment(2), tracer=tracer)
    (decide,) = tracer.named("decide payments")
    assert (decide.error, decide.ended) == ("not_json", 1)
    (send,) = tracer.named("send decisions")
    assert contexts_of(worker.sender.sent("decisions")) == [None, send.context, None]


async def test_a_chain_carries_the_trace_through_its_stages() -> None:
    tracer = RecordingTracer()
    first = Worker(chain(), tracer=tracer)
    await first.assign(0)
    await first.process(payment_with_device(0), traced(payment_with_device(1), CALLER, *REPLY))
    await first.settle()
    (forward,), (send,) = tracer.named("forward payments"), tracer.named(f"send {first.settings.next_topic}")
    assert (forward.parent, send.parent) == (CALLER, forward.context)
    sent = first.sender.sent(first.settings.next_topic or "")
    assert contexts_of(sent) == [None, send.context]

    last = Worker(chain(), last=True, tracer=tracer, topics={"replies": 4})
    await last.assign(0)
    await last.process(*(Record(k, each.value, each.key, each.headers) for k, each in enumerate(sent)))
    await last.settle()
    (decide,) = tracer.named(f"decide {last.settings.input_topic}")
    assert (decide.parent, decide.context.trace_id) == (send.context, TRACE_ID)
    assert contexts_of(last.sender.sent("decisions"))[1] == tracer.named("send decisions")[0].context


class RefusingSender(InMemorySender):
    async def send_batch(self, batch: WrittenRecords, topic: str, partition: int) -> None:
        if topic == "decisions":
            raise ConnectionError("the brokers are away.")
        await super().send_batch(batch, topic, partition)


async def test_a_send_that_fails_is_the_error_of_its_span_and_of_the_batch() -> None:
    tracer = RecordingTracer()
    worker = Worker(tracer=tracer, sender=RefusingSender())
    await worker.assign(0)
    await worker.process(traced(payment(0)))
    with pytest.raises(ConnectionError):
        await worker.settle()
    await asyncio.sleep(0)
    assert [span.error for span in tracer.named("send decisions")] == ["the brokers are away"]
    assert [span.error for span in tracer.named("process payments")] == ["the brokers are away"]
    assert [span.ended for span in tracer.spans] == [1, 1, 1]
