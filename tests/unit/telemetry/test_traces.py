"""Spans reach a collector by OTLP; what does not reach it is counted, and nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from fraudstream.telemetry.metrics import Definitions
from fraudstream.telemetry.span_export import BATCH_MAX, SpanExport
from fraudstream.telemetry.span_metrics import SpanMetrics
from fraudstream.telemetry.traces import OtelTracer, open_tracer
from fraudstream.tracing.context import TraceContext, parse_context
from tests.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.recorded_spans import CALLER, TRACE_ID

SERVER, PRODUCER, CONSUMER = 2, 4, 5


class Counted:
    """Metrics, and what they count."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.metrics = SpanMetrics(Definitions(self._registry))

    @property
    def exported(self) -> float | None:
        return self._registry.get_sample_value("fraudstream_spans_exported_total")

    def lost(self, reason: str) -> float | None:
        return self._registry.get_sample_value("fraudstream_spans_lost_total", {"reason": reason})


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as found:
        yield found


@contextmanager
def tracer_to(endpoint: str, ratio: float = 1.0, counted: Counted | None = None) -> Iterator[OtelTracer]:
    metrics = (counted or Counted()).metrics
    tracer = open_tracer(endpoint, process="worker", version="1.2", sample_ratio=ratio, metrics=metrics)
    try:
        yield tracer
    finally:
        tracer.close()


def test_spans_arrive_with_parents_links_attributes_and_errors(receiver: OtlpReceiver) -> None:
    counted, began_ns = Counted(), time.time_ns() - 5_000_000
    with tracer_to(receiver.url + "/", counted=counted) as tracer:
        child = tracer.child("decide payments", "consumer", CALLER, {"messaging.kafka.offset": 7}, began_ns)
        send = tracer.child("send decisions", "producer", child.context, {})
        send.end(error="the brokers are away")
        child.end({"fraudstream.outcome": "review"})
        tracer.batch("process payments", [CALLER], {}, began_ns).end()
    sent, decided, batch = sorted(receiver.spans, key=lambda span: span.ended_ns)
    assert (decided.name, decided.kind, decided.trace_id, decided.parent_id) == (
        "decide payments",
        CONSUMER,
        TRACE_ID,
        CALLER.span_id,
    )
    assert decided.began_ns == began_ns
    assert decided.attributes == {"messaging.kafka.offset": 7, "fraudstream.outcome": "review"}
    assert child.context == TraceContext(TRACE_ID, decided.span_id, True, "vendor=1")
    assert (sent.kind, sent.parent_id, sent.error) == (PRODUCER, decided.span_id, "the brokers are away")
    assert (batch.parent_id, batch.links, batch.error) == ("", ((TRACE_ID, CALLER.span_id),), None)
    assert batch.trace_id != TRACE_ID
    assert (counted.exported, counted.lost("failed"), counted.lost("full")) == (3, 0, 0)
    (resource, *_) = receiver.resources
    assert resource["service.name"] == "fraudstream-worker"
    assert resource["service.version"] == "1.2"


def test_the_ratio_decides_about_requests_without_a_parent_alone(receiver: OtlpReceiver) -> None:
    unsampled = parse_context(f"00-{TRACE_ID}-{CALLER.span_id}-00")
    with tracer_to(receiver.url, ratio=0.0) as never:
        assert never.request("POST", None, {}) is None
        assert never.request("POST", unsampled, {}) is None
        found = never.request("POST", CALLER, {})
        assert found is not None
        found.end()
        never.batch("process payments", [CALLER], {}, time.time_ns()).end()
    with tracer_to(receiver.url, ratio=1.0) as always:
        assert always.request("POST", unsampled, {}) is None
        begun = always.request("POST", None, {})
        assert begun is not None
        begun.end()
    assert [span.kind for span in receiver.spans if span.name == "POST"] == [SERVER, SERVER]
    assert {span.parent_id for span in receiver.spans if span.name == "POST"} == {CALLER.span_id, ""}


def test_half_of_the_requests_begin_a_trace_at_a_ratio_of_a_half(receiver: OtlpReceiver) -> None:
    with tracer_to(receiver.url, ratio=0.5) as tracer:
        begun = sum(tracer.request("POST", None, {}) is not None for _ in range(1_000))
    assert 400 < begun < 600


class Gate(SpanExporter):
    """Takes spans until it is closed; `result` is what it answers, or raises."""

    def __init__(self) -> None:
        self.exported: list[ReadableSpan] = []
        self.waiting_s = 0.0
        self.result: SpanExportResult | Exception = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        time.sleep(self.waiting_s)
        if isinstance(self.result, Exception):
            raise self.result
        self.exported += spans
        return self.result


def local_tracer(gate: Gate, counted: Counted, **limits: float) -> OtelTracer:
    export = SpanExport(gate, counted.metrics, **limits)  # type: ignore[arg-type]
    return OtelTracer(export, resource=Resource.get_empty(), sample_ratio=1.0)


def end_spans(tracer: OtelTracer, count: int) -> None:
    for _ in range(count):
        tracer.child("decide payments", "consumer", CALLER, {}).end()


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, RuntimeError("a mistake")])
def test_what_an_exporter_does_not_take_is_counted_and_the_next_spans_are_exported(
    result: SpanExportResult | Exception,
) -> None:
    gate, counted = Gate(), Counted()
    gate.result = result
    tracer = local_tracer(gate, counted, interval_s=0.01)
    end_spans(tracer, 3)
    deadline_s = time.monotonic() + 30
    while counted.lost("failed") != 3:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    gate.result = SpanExportResult.SUCCESS
    end_spans(tracer, 2)
    tracer.close()
    assert (counted.exported, counted.lost("failed"), counted.lost("full")) == (2, 3, 0)


def test_spans_that_find_no_room_are_counted_and_nobody_waits() -> None:
    gate, counted = Gate(), Counted()
    tracer = local_tracer(gate, counted, queue_max=10, interval_s=3600.0)
    end_spans(tracer, 25)
    assert counted.lost("full") == 15
    tracer.close()
    assert (counted.exported, len(gate.exported)) == (10, 10)
    end_spans(tracer, 1)
    assert len(gate.exported) == 10, "nothing is exported after the end"


def test_many_spans_are_exported_before_the_interval_is_over() -> None:
    gate, counted = Gate(), Counted()
    tracer = local_tracer(gate, counted, interval_s=3600.0)
    end_spans(tracer, BATCH_MAX)
    deadline_s = time.monotonic() + 30
    while counted.exported != BATCH_MAX:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    tracer.close()


def test_the_end_of_a_process_does_not_wait_for_a_collector_that_does_not_answer() -> None:
    gate, counted = Gate(), Counted()
    gate.waiting_s = 30.0
    tracer = local_tracer(gate, counted, interval_s=0.01, stop_s_max=0.1)
    end_spans(tracer, 1)
    began_s = time.monotonic()
    tracer.close()
    assert time.monotonic() - began_s < 20


def test_a_collector_that_is_away_costs_spans_and_nothing_else() -> None:
    counted = Counted()
    with otlp_receiver() as gone:
        pass
    with tracer_to(gone.url, counted=counted) as tracer:
        end_spans(tracer, 2)
    deadline_s = time.monotonic() + 30
    while counted.lost("failed") != 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
