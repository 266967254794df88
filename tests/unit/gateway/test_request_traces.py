"""A request's trace goes on in the record of its payment."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from fraudstream.tracing.context import TraceContext, context_of
from tests.recorded_spans import CALLER, TRACE_ID, RecordingTracer
from tests.unit.gateway.gateway_under_test import PAYMENT, GatewayUnderTest, decision

FROM_CALLER = {"traceparent": CALLER.traceparent, "tracestate": CALLER.state}


def published(gateway: GatewayUnderTest) -> list[TraceContext | None]:
    return [context_of(headers.items()) for _, _, _, headers in gateway.topic.published]


async def test_the_record_of_a_payment_refers_to_a_span_in_the_trace_of_the_caller() -> None:
    tracer = RecordingTracer()
    async with GatewayUnderTest(tracer=tracer) as gateway:
        gateway.topic.answer = lambda payment: decision(payment, outcome="allow")
        await gateway.post(PAYMENT, FROM_CALLER)
    (request,), (send,) = tracer.named("POST /v1/decisions"), tracer.named("send payments")
    assert (request.parent, request.kind, request.ended) == (CALLER, "server", 1)
    assert request.attributes["http.response.status_code"] == 200
    assert (send.parent, send.kind, send.ended, send.error) == (request.context, "producer", 1, None)
    assert send.attributes["fraudstream.event_id"] == PAYMENT["event_id"]
    assert published(gateway) == [send.context]
    assert gateway.observer.trace_ids == [TRACE_ID]
    (_, _, _, headers) = gateway.topic.published[0]
    assert len(headers["kafka_correlationId"]) == 20


async def test_a_request_without_a_trace_begins_one_if_the_tracer_samples_it() -> None:
    for begins in (True, False):
        tracer = RecordingTracer(begins=begins)
        async with GatewayUnderTest(tracer=tracer) as gateway:
            gateway.topic.answer = lambda payment: decision(payment, outcome="allow")
            await gateway.post(PAYMENT)
        assert [found is not None for found in published(gateway)] == [begins]
        assert len(tracer.spans) == (2 if begins else 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": CALLER._replace(sampled=False).traceparent},
        {"traceparent": "00-xyz"},
        {"traceparent": "é" * 55},
        {"tracestate": "vendor=1"},
    ],
    ids=str,
)
async def test_a_trace_that_is_not_sampled_and_a_malformed_header_are_no_trace(headers: dict[str, str]) -> None:
    tracer = RecordingTracer(begins=False)
    async with GatewayUnderTest(tracer=tracer) as gateway:
        gateway.topic.answer = lambda payment: decision(payment, outcome="allow")
        answer = await gateway.post(PAYMENT, headers)
    assert (answer.status_code, tracer.spans, published(gateway)) == (200, [], [None])


async def test_without_a_tracer_the_callers_context_is_carried_on() -> None:
    async with GatewayUnderTest() as gateway:
        gateway.topic.answer = lambda payment: decision(payment, outcome="allow")
        await gateway.post(PAYMENT, FROM_CALLER)
    assert published(gateway) == [CALLER]


async def test_of_a_batch_each_payment_has_a_span_of_its_own() -> None:
    tracer = RecordingTracer()
    async with GatewayUnderTest(tracer=tracer) as gateway:
        gateway.topic.answer = lambda payment: decision(payment, outcome="allow")
        await gateway.post([PAYMENT, PAYMENT | {"event_id": "p-2"}], FROM_CALLER)
    sends = tracer.named("send payments")
    assert [send.attributes["fraudstream.event_id"] for send in sends] == ["p-1", "p-2"]
    assert published(gateway) == [send.context for send in sends]


async def test_a_payment_that_the_brokers_do_not_take_is_the_error_of_its_span() -> None:
    tracer = RecordingTracer()
    async with GatewayUnderTest(tracer=tracer) as gateway:
        gateway.topic.error = KafkaConnectionError("gone")
        await gateway.post(PAYMENT, FROM_CALLER | {"deadline-ms": "50"})
        async with asyncio.timeout(10):
            while True:
                if all(span.ended for span in tracer.spans):
                    break
                await asyncio.sleep(0.01)
    (send,) = tracer.named("send payments")
    assert (send.ended, send.error) == (1, "gone")
