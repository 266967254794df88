"""The spans of alerts whose traces are sampled: one while the alert joins its case, one until the case is durable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import ConsumerRecord

from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Case
from fraudstream.tracing.context import TraceContext, sampled_context_of
from fraudstream.tracing.current import working_for
from fraudstream.tracing.kafka import CASE_ID, kafka_attributes, span_name
from fraudstream.tracing.ports import Span, Tracer


class AlertTraces:
    """Starts and ends the spans of one partition."""

    def __init__(self, settings: AgentSettings, partition: int, tracer: Tracer) -> None:
        self._settings, self._partition, self._tracer = settings, partition, tracer
        self._sending: list[Span] = []

    @contextmanager
    def handling(self, record: ConsumerRecord[bytes, bytes]) -> Iterator[Span | None]:
        """The span of the alert in `record` while the block runs; None if its trace is not sampled."""
        context = sampled_context_of(record.headers)
        if context is None:
            yield None
            return
        attributes = kafka_attributes(
            record.topic,
            "process",
            "process",
            partition=record.partition,
            offset=record.offset,
            group=self._settings.group,
        )
        span = self._tracer.child(span_name("process", record.topic), "consumer", context, attributes)
        with working_for(span.context):
            yield span
        span.end()

    def of_case(self, span: Span | None, case: Case) -> TraceContext | None:
        """What the record of a case refers to that the alert of `span` has changed; its sending begins now."""
        if span is None:
            return None
        topic = self._settings.cases_topic
        attributes = kafka_attributes(topic, "send", "send", partition=self._partition) | {CASE_ID: case.case_id}
        sending = self._tracer.child(span_name("send", topic), "producer", span.context, attributes)
        self._sending.append(sending)
        return sending.context

    def end(self) -> None:
        """The cases are durable."""
        for span in self._sending:
            span.end()
        self._sending = []
