"""The spans of messages whose traces are sampled: from the step that converts them until their payments are durable."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiokafka import ConsumerRecord, TopicPartition

from fraudstream.tracing.context import sampled_context_of
from fraudstream.tracing.kafka import kafka_attributes, span_name
from fraudstream.tracing.ports import Span, Tracer


class MessageTraces:
    """Starts the spans. `group`: of the bridge."""

    def __init__(self, tracer: Tracer, group: str) -> None:
        self._tracer, self._group = tracer, group

    def begin(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> dict[int, Span]:
        """The span of each traced message, by its offset; they begin now."""
        spans = {}
        for record in records:
            context = sampled_context_of(record.headers)
            if context is not None:
                attributes = kafka_attributes(
                    tp.topic, "convert", "process", partition=tp.partition, offset=record.offset, group=self._group
                )
                spans[record.offset] = self._tracer.child(
                    span_name("convert", tp.topic), "consumer", context, attributes, time.time_ns()
                )
        return spans
