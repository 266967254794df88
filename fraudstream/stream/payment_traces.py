"""The spans of a stage: one for each payment whose headers have a sampled trace context, and one for each batch that
has such payments, linked to them.

    header traceparent ─► span "decide payments" ─┬─► span "send decisions" ─► header of the decision
                                                  ├─► span "send alerts" ─► header of the alert
                                                  └─► header of the reply
The spans of a send, and that of the batch, end when the brokers have acknowledged the records. Payments without a
context, or of a trace that is not sampled, cost a look at the headers of their batch. A publisher that has all its
payments sampled must not make the worker slow: of a batch, `RECORDED_MAX` have spans, and the contexts of the others
are carried on as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from fraudstream.contracts.error_text import error_text
from fraudstream.engine.header_fields import TRACED
from fraudstream.engine.record_headers import indices_of
from fraudstream.engine.records import records_of
from fraudstream.kafka.record_batch.headers import with_headers
from fraudstream.tracing.context import TraceContext, sampled_context_of
from fraudstream.tracing.kafka import kafka_attributes, span_name
from fraudstream.tracing.ports import NO_ATTRIBUTES, UNTRACED, Attributes, Span, Tracer

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.arrays import Int64Array
    from fraudstream.engine.columns import Rejection
    from fraudstream.engine.records import Records
    from fraudstream.kafka.record_batch.outgoing import OutgoingRecords
    from fraudstream.stream.outputs import Acknowledgement
    from fraudstream.stream.settings import StreamSettings

RECORDED_MAX: Final = 100
TRACED_PAYMENTS: Final = "fraudstream.traced_payments"  # of the span of a batch: how many belong to a trace

Send = Callable[["OutgoingRecords"], set["Acknowledgement"]]


class PaymentTraces:
    """Starts the spans of one stage. `operation`: what the stage does with a payment."""

    def __init__(self, *, settings: StreamSettings, operation: Literal["decide", "forward"], tracer: Tracer) -> None:
        self._topic, self._group = settings.input_topic, settings.app_id
        self._operation, self._tracer = operation, tracer

    def begin(
        self,
        partition: int,
        records: Sequence[LogRecord],
        positions: Int64Array,
        refused: Sequence[Rejection],
        started_s: float,
    ) -> BatchTraces:
        """The spans of those of some records whose traces are sampled. `positions`: indices among `records` of the
        payments; `refused`: of further ones. `started_s`: `time.perf_counter` when work on them began."""
        packed = records_of(records)
        traced = indices_of(packed, TRACED)
        if not len(traced):
            return NOT_TRACED
        those = np.concatenate([positions, np.array([each.position for each in refused], np.int64)])
        contexts = _contexts(packed, np.intersect1d(traced, those))
        if not contexts:
            return NOT_TRACED
        began_ns = time.time_ns() - int((time.perf_counter() - started_s) * 1e9)
        recorded = frozenset(list(contexts)[:RECORDED_MAX])
        spans = {
            position: self._span(partition, int(packed.spans.offset[position]), context, began_ns)
            if position in recorded
            else UNTRACED.child("", "consumer", context, NO_ATTRIBUTES)
            for position, context in contexts.items()
        }
        attributes = kafka_attributes(
            self._topic, "process", "process", partition=partition, group=self._group, records=len(those)
        )
        batch = self._tracer.batch(
            span_name("process", self._topic),
            [contexts[position] for position in sorted(recorded)],
            attributes | {TRACED_PAYMENTS: len(contexts)},
            began_ns,
        )
        return BatchTraces(self._tracer, spans, recorded, batch)

    def _span(self, partition: int, offset: int, context: TraceContext, began_ns: int) -> Span:
        attributes = kafka_attributes(
            self._topic, self._operation, "process", partition=partition, offset=offset, group=self._group
        )
        return self._tracer.child(span_name(self._operation, self._topic), "consumer", context, attributes, began_ns)


class BatchTraces:
    """The spans of the traced payments of one batch: `spans`, by the index of their record; `recorded`: those that are
    recorded, the others only carry contexts on; `batch`: that of the batch, if it has such payments. Call `send` for
    each output, then `end`."""

    def __init__(self, tracer: Tracer, spans: Mapping[int, Span], recorded: frozenset[int], batch: Span | None) -> None:
        self._tracer, self._spans, self._recorded, self._batch = tracer, spans, recorded, batch
        self._waits: set[Acknowledgement] = set()

    @property
    def contexts(self) -> dict[int, TraceContext]:
        """What the answers to the records refer to, by the index of the record."""
        return {position: span.context for position, span in self._spans.items()}

    def send(self, topic: str, positions: Int64Array, records: OutgoingRecords, send: Send) -> set[Acknowledgement]:
        """Pass `records` to `send`, those that answer a traced payment with its context in their headers.

        `positions`: index of the record that each answers; int64, shape (records,). Returns what `send` does.
        """
        if not self._spans:
            return send(records)
        spans = self._sending(topic, positions)
        added = {row: span.context.headers() for row, span in spans.items()}
        waits = send(records._replace(headers=with_headers(records.headers, added)))
        _when_acknowledged(waits, [partial(_end, span) for span in spans.values()])
        self._waits |= waits
        return waits

    def _sending(self, topic: str, positions: Int64Array) -> dict[int, Span]:
        """The span of each traced record that is sent, by its row."""
        rows = np.flatnonzero(np.isin(positions, list(self._spans))).tolist()
        name, attributes = span_name("send", topic), kafka_attributes(topic, "send", "send")
        found = {}
        for row in rows:
            position = int(positions[row])
            tracer = self._tracer if position in self._recorded else UNTRACED
            found[row] = tracer.child(name, "producer", self._spans[position].context, attributes)
        return found

    def end(self, attributes_of: Callable[[int], Attributes], refused: Sequence[Rejection] = ()) -> None:
        """The batch is processed: end the spans of its payments. `attributes_of`: further attributes, by the index of
        the record, of those that are not `refused`."""
        if self._batch is None:
            return
        reasons = {each.position: each.reason for each in refused}
        for position in self._recorded:
            span, reason = self._spans[position], reasons.get(position)
            span.end(NO_ATTRIBUTES if reason is not None else attributes_of(position), reason)
        _when_acknowledged(self._waits, [partial(_end, self._batch)])


NOT_TRACED: Final = BatchTraces(UNTRACED, {}, frozenset(), None)


def _contexts(records: Records, positions: Int64Array) -> dict[int, TraceContext]:
    """The contexts of the records at some positions; a header that is not valid counts as none."""
    found = {position: sampled_context_of(records[position].headers) for position in positions.tolist()}
    return {position: context for position, context in found.items() if context is not None}


def _end(span: Span, error: BaseException | None) -> None:
    span.end(error=None if error is None else error_text(error))


def _when_acknowledged(
    waits: set[Acknowledgement], callbacks: Sequence[Callable[[BaseException | None], None]]
) -> None:
    """Call `callbacks` once all of `waits` have ended, with an error of one of them, or None."""
    left, errors = set(waits), []

    def on_done(wait: Acknowledgement) -> None:
        left.discard(wait)
        if not wait.cancelled() and (error := wait.exception()) is not None:
            errors.append(error)
        if not left:
            for callback in callbacks:
                callback(errors[0] if errors else None)

    if callbacks:
        for wait in waits:
            wait.add_done_callback(on_done)
        if not waits:
            for callback in callbacks:
                callback(None)
