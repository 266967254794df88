"""The spans of payments on their way to the brokers, of the requests whose traces are recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fraudstream.gateway.submission import Submission
from fraudstream.tracing.kafka import EVENT_ID, kafka_attributes, span_name
from fraudstream.tracing.ports import Span, Tracer


class PublishTraces:
    """Starts the spans. `topic`: of the payments."""

    def __init__(self, tracer: Tracer, topic: str) -> None:
        self._tracer, self._topic = tracer, topic

    def start(self, submissions: Sequence[Submission], partition: int) -> dict[Submission, Span]:
        """The span of each payment that has a trace; the payments are valid."""
        spans = {}
        for each in submissions:
            if each.trace is not None and each.payment is not None:
                attributes = kafka_attributes(self._topic, "send", "send", partition=partition)
                attributes[EVENT_ID] = each.payment.event_id
                spans[each] = self._tracer.child(span_name("send", self._topic), "producer", each.trace, attributes)
        return spans


def end_all(spans: Mapping[Submission, Span], error: str | None = None) -> None:
    """The brokers have acknowledged the payments, or have not taken them because of `error`."""
    for span in spans.values():
        span.end(error=error)
