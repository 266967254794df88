"""A stage that another one follows: it adds its entity's features to each payment and label, and forwards both.

The value of a forwarded record is the publisher's bytes, its key that of the next stage's entity. What a partition of
this stage sends to one of the next arrives there in the order of its log, each record at least once: so the next stage
can drop every record that is not above the highest offset it has seen of the source partition.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fraudstream.compiled.packed import Packed
from fraudstream.contracts.headers import BACKFILLED_HEADER, FEATURES_HEADER, LABEL_HEADER, SOURCE_HEADER
from fraudstream.engine.log import ForwardedSpan, forward_log
from fraudstream.engine.records import Records, records_of
from fraudstream.kafka.record_batch.headers import FixedHeaders, header_pieces, numbered_headers, with_headers
from fraudstream.kafka.record_batch.outgoing import OutgoingRecords, pack_records
from fraudstream.stream.dead_letter import DeadLetterSender
from fraudstream.stream.observer import ForwardedBatch, StageObserver
from fraudstream.stream.outputs import Acknowledgement, Output
from fraudstream.stream.payment_traces import NOT_TRACED, BatchTraces, PaymentTraces
from fraudstream.stream.replies import Replies, refusal_answers
from fraudstream.stream.reply_address import reply_headers
from fraudstream.stream.unjudged import UNJUDGED, UnjudgedAnswers
from fraudstream.tracing.ports import NO_ATTRIBUTES

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.arrays import Int64Array
    from fraudstream.engine.columns import Rejection
    from fraudstream.engine.engine import Engine
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.settings import StreamSettings


class Forwarding:
    """The `SpanProcessor` of a stage that does not decide."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        engine: Engine,
        output: Output,
        decisions: Output | None,
        dead_letters: DeadLetterSender,
        unjudged: UnjudgedAnswers,
        replies: Replies,
        traces: PaymentTraces,
        observer: StageObserver,
    ) -> None:
        """`output`: the log of the next stage. `decisions`: None if no decisions are to be published."""
        self._settings, self._engine, self._output = settings, engine, output
        self._decisions, self._dead_letters, self._unjudged = decisions, dead_letters, unjudged
        self._replies, self._traces, self._observer = replies, traces, observer

    async def prepare(self, state: PartitionState, records: Sequence[LogRecord]) -> Sequence[int]:
        """Do nothing: this stage needs no rule set."""
        return ()

    def apply(
        self, state: PartitionState, records: Sequence[LogRecord], controls: Sequence[int]
    ) -> Sequence[ForwardedSpan]:
        """Apply `records` to `state`; a span for each part between two controls."""
        return forward_log(self._engine, state, records)

    def send(self, partition: Partition, records: Sequence[LogRecord], span: ForwardedSpan, started_s: float) -> None:
        """Forward the span's events, send dead letters and decisions on what it refused, and report it."""
        result = span.result
        partition.applied += result.events
        # The stages of the state version that decides report what is refused while this one is backfilled.
        refused = result.refused if span.decided else []
        traces = NOT_TRACED
        if span.decided:
            traces = self._traces.begin(partition.number, records, result.positions, refused, started_s)
        partition.pending |= self._forward(partition.number, records, span, traces)
        self._dead_letters.send(partition, records, refused)
        answered = self._answer_refused(partition, records, refused, traces)
        traces.end(lambda _: NO_ATTRIBUTES, refused)
        self._observer.on_forwarded(
            partition.number,
            ForwardedBatch(
                records=span.records,
                forwarded=len(result.positions),
                decisions={UNJUDGED: answered} if answered else {},
                dead_letters=Counter(rejection.reason for rejection in refused),
                dropped=result.dropped,
                seconds=time.perf_counter() - started_s,
                watermark_ms=partition.state.watermark_ms,
                rows=partition.state.rows,
                size=partition.state.memory_bytes,
            ),
        )

    def _answer_refused(
        self, partition: Partition, records: Sequence[LogRecord], refused: Sequence[Rejection], traces: BatchTraces
    ) -> int:
        """Start to send the decisions on refused records, and again those whose publishers wait for them; returns how
        many decisions there are."""
        asked = self._replies.asked(records) if refused else None
        publishes = self._decisions is not None and self._settings.answer_unjudged
        if not refused or not (publishes or asked is not None):
            return 0
        answers = list(self._unjudged.answers(partition.number, records, refused))
        if not answers:
            return 0
        if asked is not None:
            partition.pending |= self._replies.send(records, asked, [refusal_answers(answers)], traces.contexts)
        if self._decisions is None or not publishes:
            return 0
        packed = pack_records([answer for _, answer in answers], int(time.time() * 1000))
        positions = np.array([position for position, _ in answers], np.int64)
        send = partial(self._decisions.send, partition.number)
        partition.pending |= traces.send(self._settings.decisions_topic, positions, packed, send)
        return len(answers)

    def _forward(
        self, number: int, records: Sequence[LogRecord], span: ForwardedSpan, traces: BatchTraces
    ) -> set[Acknowledgement]:
        """Start to send the span's events, which were read from partition `number`."""
        result = span.result
        if not len(result.positions):
            return set()
        packed, positions = records_of(records), result.positions
        spans, keys, features = packed.spans, result.forwarded.keys, result.forwarded.features
        kept, choice = self._kept_headers(packed, positions, result.forwarded.labels > 0)
        marks = [] if span.decided else [BACKFILLED_HEADER]
        pieces = header_pieces(
            SOURCE_HEADER, b"%d:" % number, FEATURES_HEADER, tuple((*marks, *headers) for headers in kept)
        )
        sections = numbered_headers(pieces, spans.offset[positions], features, choice)
        forwarded = OutgoingRecords(
            keys,
            Packed(packed.buffer, spans.value_at[positions], spans.value_length[positions]),
            self._with_reply_headers(sections, packed, positions),
            int(time.time() * 1000),
        )
        return traces.send(self._settings.next_topic or "", positions, forwarded, self._output.spread)

    def _with_reply_headers(self, sections: Packed, records: Records, positions: Int64Array) -> Packed:
        """The header sections of forwarded records, with what the last stage needs to answer those that wait."""
        asked = self._replies.asked(records)
        rows = () if asked is None else np.flatnonzero(np.isin(positions, asked)).tolist()
        found = {row: headers for row in rows if (headers := reply_headers(records[int(positions[row])].headers))}
        return with_headers(sections, found) if found else sections

    def _kept_headers(
        self, records: Records, positions: Int64Array, has_labels: bool
    ) -> tuple[Sequence[FixedHeaders], Int64Array | None]:
        """The headers that forwarded records take over from the records as they were read: all choices, and which of
        them each record has; int64, shape (len(positions),), None if all have the first."""
        kept = [LABEL_HEADER] if has_labels else []
        if self._settings.state_version > 1 and not self._settings.stage_is_first:
            kept.append(BACKFILLED_HEADER)
        if not kept:
            return ((),), None
        found = [tuple(header for header in kept if header in records[i].headers) for i in positions.tolist()]
        choices = list(dict.fromkeys(found))
        return choices, np.fromiter(map(choices.index, found), np.int64, len(found))
