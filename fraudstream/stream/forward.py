"""A stage that another one follows: it adds its entity's features to each payment and label, and forwards both.

The value of a forwarded record is the publisher's bytes, its key that of the next stage's entity. What a partition of
this stage sends to one of the next arrives there in the order of its log, each record at least once: so the next stage
can drop every record that is not above the highest offset it has seen of the source partition.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fraudstream.contracts.headers import BACKFILLED_HEADER, FEATURES_HEADER, LABEL_HEADER, source_header
from fraudstream.engine.log import ForwardedSpan, forward_log
from fraudstream.stream.dead_letter import DeadLetterSender
from fraudstream.stream.observer import ForwardedBatch, StageObserver
from fraudstream.stream.outputs import Acknowledgement, Output, OutputRecord
from fraudstream.stream.unjudged import UNJUDGED, UnjudgedAnswers

if TYPE_CHECKING:
    from fraudstream.engine.columns import Rejection
    from fraudstream.engine.engine import Engine
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.record_batch import FetchedRecord
    from fraudstream.stream.settings import StreamSettings


class Forwarding:
    """The `SpanProcessor` of a stage that does not decide."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        engine: Engine,
        output: Output[Any],
        decisions: Output[Any] | None,
        dead_letters: DeadLetterSender,
        unjudged: UnjudgedAnswers | None,
        observer: StageObserver,
    ) -> None:
        """`output`: the log of the next stage. `decisions`: None if no decisions are to be published. `unjudged`: None
        if refused records are not to be answered."""
        self._settings, self._engine, self._output = settings, engine, output
        self._decisions, self._dead_letters, self._unjudged = decisions, dead_letters, unjudged
        self._observer = observer

    async def prepare(self, state: PartitionState, records: Sequence[FetchedRecord]) -> Sequence[int]:
        """Do nothing: this stage needs no rule set."""
        return ()

    def apply(
        self, state: PartitionState, records: Sequence[FetchedRecord], controls: Sequence[int]
    ) -> Sequence[ForwardedSpan]:
        """Apply `records` to `state`; a span for each part between two controls."""
        return forward_log(self._engine, state, records)

    def send(
        self, partition: Partition, records: Sequence[FetchedRecord], span: ForwardedSpan, started_s: float
    ) -> None:
        """Forward the span's events, send dead letters and decisions on what it refused, and report it."""
        result = span.result
        partition.applied += result.events
        partition.pending |= self._forward(partition.number, records, span)
        # The stages of the state version that decides report what is refused while this one is backfilled.
        refused = result.refused if span.decided else []
        self._dead_letters.send(partition, records, refused)
        answered = self._answer_refused(partition, records, refused)
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
        self, partition: Partition, records: Sequence[FetchedRecord], refused: Sequence[Rejection]
    ) -> int:
        """Start to send the decisions on refused records; returns how many there are."""
        if not refused or self._unjudged is None or self._decisions is None:
            return 0
        answers = [answer for _, answer in self._unjudged.answers(partition.number, records, refused)]
        if answers:
            partition.pending |= self._decisions.send(partition.number, answers, int(time.time() * 1000))
        return len(answers)

    def _forward(self, number: int, records: Sequence[FetchedRecord], span: ForwardedSpan) -> set[Acknowledgement]:
        """Start to send the span's events, which were read from partition `number`."""
        positions, events = span.result.positions, span.result.forwarded
        keys, forwarded = events.keys, events.features
        if not keys:
            return set()
        backfilled = [] if span.decided else [BACKFILLED_HEADER]
        kept = self._kept_headers(events.labels > 0)

        def output_records(at: Sequence[int]) -> Iterator[OutputRecord]:
            for i in at:
                record = records[positions[i]]
                headers = [source_header(number, record.offset), (FEATURES_HEADER, forwarded[i]), *backfilled]
                if kept:
                    headers += [header for header in kept if header in record.headers]
                yield keys[i], record.value or b"", headers

        return self._output.spread(keys, output_records, int(time.time() * 1000))

    def _kept_headers(self, has_labels: bool) -> list[tuple[str, bytes]]:
        """Headers that a forwarded record takes over from the record as it was read."""
        kept = [LABEL_HEADER] if has_labels else []
        if self._settings.state_version > 1 and not self._settings.stage_is_first:
            kept.append(BACKFILLED_HEADER)
        return kept
