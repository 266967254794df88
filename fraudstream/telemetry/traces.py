"""Traces by OpenTelemetry: `OtelTracer` implements `fraudstream.tracing.ports.Tracer` and exports by OTLP over HTTP.

Only this module and `span_export` know the SDK. It is not installed by default: `open_tracer` imports it when traces
are switched on. The variables OTEL_EXPORTER_OTLP_HEADERS, …_CERTIFICATE, …_COMPRESSION and OTEL_RESOURCE_ATTRIBUTES
are read by the SDK, as its documentation says.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from fraudstream.telemetry.span_export import SpanExport
from fraudstream.tracing.context import TraceContext
from fraudstream.tracing.ports import NO_ATTRIBUTES, Attributes, Kind, Span

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.util.types import Attributes as SdkAttributes

    from fraudstream.telemetry.span_metrics import SpanMetrics

TRACES_PATH: Final = "/v1/traces"
EXPORT_S_MAX: Final = 5.0

_KINDS: Final = {"consumer": SpanKind.CONSUMER, "producer": SpanKind.PRODUCER}


class OtelTracer:
    """Records spans. Close it at the end of the process: it exports what waits."""

    def __init__(self, export: SpanExport, *, resource: Resource, sample_ratio: float) -> None:
        """`sample_ratio`: share of the requests without a trace of their own that begin one, 0 to 1."""
        self._provider = TracerProvider(
            sampler=ParentBased(root=_RootSampler(sample_ratio)), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(export)
        self._tracer = self._provider.get_tracer("fraudstream")

    def request(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        """See `Tracer`."""
        span = self._tracer.start_span(name, _parent(parent), SpanKind.SERVER, attributes)
        return _OtelSpan(span) if span.is_recording() else None

    def child(
        self, name: str, kind: Kind, parent: TraceContext, attributes: Attributes, began_ns: int | None = None
    ) -> Span:
        """See `Tracer`."""
        return _OtelSpan(self._tracer.start_span(name, _parent(parent), _KINDS[kind], attributes, start_time=began_ns))

    def batch(self, name: str, links: Sequence[TraceContext], attributes: Attributes, began_ns: int) -> Span:
        """See `Tracer`."""
        linked = [Link(_span_context(each)) for each in links]
        return _OtelSpan(
            self._tracer.start_span(name, _parent(None), SpanKind.CONSUMER, attributes, linked, start_time=began_ns)
        )

    def close(self) -> None:
        """Export what waits. Bounded in time."""
        self._provider.shutdown()


class _OtelSpan:
    """A `Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.context = TraceContext(
            trace.format_trace_id(context.trace_id),
            trace.format_span_id(context.span_id),
            context.trace_flags.sampled,
            context.trace_state.to_header(),
        )

    def end(self, attributes: Attributes = NO_ATTRIBUTES, error: str | None = None) -> None:
        """See `Span`."""
        if attributes:
            self._span.set_attributes(attributes)
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


class _RootSampler(Sampler):
    """Of spans without a parent: requests by the ratio; batches always, as a sampled payment asks for them."""

    def __init__(self, ratio: float) -> None:
        self._requests = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: SdkAttributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Whether the trace is recorded."""
        sampler = self._requests if kind is SpanKind.SERVER else ALWAYS_ON
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """For the SDK's log."""
        return f"requests: {self._requests.get_description()}"


def _span_context(context: TraceContext) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([context.state]) if context.state else None,
    )


def _parent(context: TraceContext | None) -> Context:
    """The parent in a context of the SDK of its own: never the thread's current one."""
    parent = trace.INVALID_SPAN if context is None else NonRecordingSpan(_span_context(context))
    return trace.set_span_in_context(parent)


def open_tracer(endpoint: str, *, process: str, version: str, sample_ratio: float, metrics: SpanMetrics) -> OtelTracer:
    """A tracer that exports to a collector. `endpoint`: its base URL, of OTLP over HTTP. `process`: name of the kind of
    process, such as worker. `version`: of fraudstream."""
    exporter: SpanExporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH, timeout=EXPORT_S_MAX)
    resource = Resource.create(
        {
            "service.namespace": "fraudstream",
            "service.name": f"fraudstream-{process}",
            "service.version": version,
            "service.instance.id": f"{platform.node()}-{os.getpid()}",
        }
    )
    return OtelTracer(SpanExport(exporter, metrics), resource=resource, sample_ratio=sample_ratio)
