"""A tracer that keeps its spans."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from fraudstream.tracing.context import TraceContext
from fraudstream.tracing.ports import NO_ATTRIBUTES, Attributes, Kind, Span

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = TraceContext(TRACE_ID, "00f067aa0ba902b7", state="vendor=1")


class RecordedSpan:
    """`links`: of the span of a batch. `error`, `attributes`: once it has ended."""

    def __init__(
        self,
        name: str,
        kind: str,
        parent: TraceContext | None,
        context: TraceContext,
        attributes: Attributes,
        links: Sequence[TraceContext] = (),
    ) -> None:
        self.name, self.kind, self.parent, self.context, self.links = name, kind, parent, context, list(links)
        self.attributes = dict(attributes)
        self.error: str | None = None
        self.ended = 0

    def end(self, attributes: Attributes = NO_ATTRIBUTES, error: str | None = None) -> None:
        self.attributes |= attributes
        self.error = error
        self.ended += 1


class RecordingTracer:
    """`spans`: in the order of their start. `begins`: whether a request without a parent begins a trace."""

    def __init__(self, *, begins: bool = True) -> None:
        self.spans: list[RecordedSpan] = []
        self._begins, self._numbers = begins, count(1)

    def request(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        if (parent is None and not self._begins) or (parent is not None and not parent.sampled):
            return None
        return self._started(name, "server", parent, attributes)

    def child(
        self, name: str, kind: Kind, parent: TraceContext, attributes: Attributes, began_ns: int | None = None
    ) -> Span:
        return self._started(name, kind, parent, attributes)

    def batch(self, name: str, links: Sequence[TraceContext], attributes: Attributes, began_ns: int) -> Span:
        return self._started(name, "consumer", None, attributes, links)

    def named(self, name: str) -> list[RecordedSpan]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]

    def _started(
        self,
        name: str,
        kind: str,
        parent: TraceContext | None,
        attributes: Attributes,
        links: Sequence[TraceContext] = (),
    ) -> RecordedSpan:
        number = next(self._numbers)
        trace_id = f"{number:032x}" if parent is None else parent.trace_id
        context = TraceContext(trace_id, f"{number:016x}", state="" if parent is None else parent.state)
        self.spans.append(RecordedSpan(name, kind, parent, context, attributes, links))
        return self.spans[-1]
