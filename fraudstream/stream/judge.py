"""The stage that decides payments: it sends decisions, alerts and dead letters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from fraudstream.engine.log import JudgedSpan, controls_in, read_log, rule_sets_named
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.kafka.record_batch.outgoing import OutgoingRecord, OutgoingRecords
from fraudstream.stream.alerts import AlertRecords
from fraudstream.stream.dead_letter import DeadLetterSender
from fraudstream.stream.decisions import DecisionRecords, in_order_of_log
from fraudstream.stream.observer import JudgedBatch, StageObserver
from fraudstream.stream.outputs import Output
from fraudstream.stream.payment_traces import BatchTraces, PaymentTraces
from fraudstream.stream.replies import Answers, Replies, refusal_answers
from fraudstream.stream.shadow_counts import shadow_alerts, shadow_rules, shadow_scores
from fraudstream.stream.unjudged import UNJUDGED, UnjudgedAnswers
from fraudstream.tracing.kafka import EVENT_ID, OUTCOME

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.arrays import Int64Array
    from fraudstream.engine.columns import Rejection
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.engine.verdict import Verdicts
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import RuleSetSource
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.tracing.ports import Attributes


class Judging:
    """The `SpanProcessor` of the stage that decides."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        rule_sets: RuleSetSource,
        decisions: Output | None,
        alerts: Output,
        dead_letters: DeadLetterSender,
        unjudged: UnjudgedAnswers,
        replies: Replies,
        traces: PaymentTraces,
        observer: StageObserver,
    ) -> None:
        """`decisions`: None if no decisions are to be published."""
        self._settings, self._rule_sets, self._observer = settings, rule_sets, observer
        self._decisions, self._alerts, self._dead_letters = decisions, alerts, dead_letters
        self._unjudged, self._replies, self._traces = unjudged, replies, traces
        # Of the partitions held: those of one that is revoked go with it.
        self._decision_records: WeakKeyDictionary[Partition, DecisionRecords] = WeakKeyDictionary()
        self._alert_records = AlertRecords(settings)

    async def prepare(self, state: PartitionState, records: Sequence[LogRecord]) -> Sequence[int]:
        """Load the rule sets that `records` may switch to; returns the indices of the controls in `records`."""
        controls = controls_in(records)
        if controls:
            await self._rule_sets.load(rule_sets_named(state, records, controls, self._settings.signatures.controls))
        return controls

    def apply(
        self, state: PartitionState, records: Sequence[LogRecord], controls: Sequence[int]
    ) -> Sequence[JudgedSpan]:
        """Apply `records` to `state`; a span for each part under one rule set and the same lists."""
        return read_log(self._rule_sets.engines, state, records, controls)

    def send(self, partition: Partition, records: Sequence[LogRecord], span: JudgedSpan, started_s: float) -> None:
        """Send the span's answers and report it to the observer; a span that is only backfilled is not answered."""
        partition.applied += span.result.events
        if span.decided:
            self._answer(partition, records, span, started_s)
        else:
            self._observer.on_backfilled(
                partition.number,
                records=span.records,
                watermark_ms=partition.state.watermark_ms,
                rows=partition.state.rows,
                size=partition.state.memory_bytes,
            )

    def _answer(self, partition: Partition, records: Sequence[LogRecord], span: JudgedSpan, started_s: float) -> None:
        verdicts, positions, refused, _, dropped, arrived_at_ms, _ = span.result
        traces = self._traces.begin(partition.number, records, positions, refused, started_s)
        unjudged = self._send_answers(partition, records, verdicts, positions, refused, traces)
        self._send_alerts(partition, records, verdicts, positions, traces)
        self._dead_letters.send(partition, records, refused)
        traces.end(partial(_verdict_attributes, verdicts, positions), refused)
        now_ms = time.time() * 1000
        self._observer.on_batch(
            partition.number,
            JudgedBatch(
                records=span.records,
                payments=verdicts.n,
                decisions=_by_outcome(verdicts, unjudged) if self._decisions is not None else {},
                labels=verdicts.labels,
                labels_unmatched=verdicts.label_results.unmatched,
                label_lag_ms=verdicts.label_results.lag_ms,
                repeats=int(np.count_nonzero(verdicts.repeat)),
                altered=int(np.count_nonzero(verdicts.altered)),
                late=int(np.count_nonzero(verdicts.late)),
                unmatched=int(np.count_nonzero(verdicts.unmatched)),
                without_rate=verdicts.columns.without_rate,
                alerts=len(verdicts.alert_rows),
                alert_rules=_rules_of(verdicts),
                scores=verdicts.score_points / POINTS_MAX,
                shadow_scores=shadow_scores(verdicts),
                shadow_alerts=shadow_alerts(verdicts),
                shadow_rules=shadow_rules(verdicts),
                dead_letters=Counter(rejection.reason for rejection in refused),
                dropped=dropped,
                since_occurred_ms=now_ms - verdicts.occurred_at_ms.astype(np.float64),
                since_arrival_ms=now_ms - arrived_at_ms.astype(np.float64),
                trace_ids=_trace_ids(traces, positions),
                seconds=time.perf_counter() - started_s,
                watermark_ms=partition.state.watermark_ms,
                rows=partition.state.rows,
                size=partition.state.memory_bytes,
            ),
        )

    def _send_answers(
        self,
        partition: Partition,
        records: Sequence[LogRecord],
        verdicts: Verdicts,
        positions: Int64Array,
        refused: Sequence[Rejection],
        traces: BatchTraces,
    ) -> int:
        """Send the decisions, and again those whose publishers wait for them; returns how many of those published are
        on refused records."""
        asked = self._replies.asked(records)
        published = self._decisions is not None
        if not (published or asked is not None) or not (verdicts.n or refused):
            return 0
        judged = self._written(partition, records, verdicts, positions)
        answers_refused = asked is not None or (published and self._settings.answer_unjudged)
        unjudged = list(self._unjudged.answers(partition.number, records, refused)) if answers_refused else []
        published_unjudged = unjudged if published and self._settings.answer_unjudged else []
        self._publish(partition, judged, positions, published_unjudged, traces)
        if asked is not None:
            answers = [Answers(positions, judged), refusal_answers(unjudged)]
            partition.pending |= self._replies.send(records, asked, answers, traces.contexts)
        return len(published_unjudged)

    def _written(
        self, partition: Partition, records: Sequence[LogRecord], verdicts: Verdicts, positions: Int64Array
    ) -> OutgoingRecords:
        writer = self._decision_records.get(partition)
        if writer is None:
            writer = DecisionRecords(partition.number, self._settings.state_version)
            self._decision_records[partition] = writer
        return writer.records(records, verdicts, positions, int(time.time() * 1000))

    def _publish(
        self,
        partition: Partition,
        judged: OutgoingRecords,
        positions: Int64Array,
        unjudged: list[tuple[int, OutgoingRecord]],
        traces: BatchTraces,
    ) -> None:
        """Send the decisions in the order of the log, as readers that drop repeats by their source need it."""
        if self._decisions is None:
            return
        answers = in_order_of_log(judged, positions, unjudged) if unjudged else judged
        answered = np.sort([*positions.tolist(), *(position for position, _ in unjudged)]) if unjudged else positions
        send = partial(self._decisions.send, partition.number)
        partition.pending |= traces.send(self._settings.decisions_topic, answered, answers, send)

    def _send_alerts(
        self,
        partition: Partition,
        records: Sequence[LogRecord],
        verdicts: Verdicts,
        positions: Int64Array,
        traces: BatchTraces,
    ) -> None:
        rows = verdicts.alert_rows
        if not len(rows):
            return
        alerts = self._alert_records.records(partition.number, records, verdicts, positions, int(time.time() * 1000))
        send = partial(self._alerts.send, partition.number)
        partition.pending |= traces.send(self._settings.alerts_topic, positions[rows], alerts, send)


def _verdict_attributes(verdicts: Verdicts, positions: Int64Array, position: int) -> Attributes:
    """What the span of a payment says of its verdict."""
    row = int(np.searchsorted(positions, position))
    (event_id,) = verdicts.event_ids.rows(np.array([row])).present()
    outcome = verdicts.findings[int(verdicts.finding[row])].outcome
    return {EVENT_ID: event_id.decode(), OUTCOME: outcome}


def _trace_ids(traces: BatchTraces, positions: Int64Array) -> dict[int, str]:
    """The traces of the payments that have one, by their row."""
    contexts = traces.contexts
    rows = np.flatnonzero(np.isin(positions, list(contexts))).tolist() if contexts else []
    return {row: contexts[int(positions[row])].trace_id for row in rows}


def _by_outcome(verdicts: Verdicts, unjudged: int) -> Counter[str]:
    counts: Counter[str] = Counter({UNJUDGED: unjudged} if unjudged else {})
    for number, count in enumerate(np.bincount(verdicts.finding).tolist()):
        if count:
            counts[verdicts.findings[number].outcome] += count
    return counts


def _rules_of(verdicts: Verdicts) -> Counter[tuple[str, str]]:
    """How often each live rule fired for a payment that is alerted, by its name and severity."""
    counts: Counter[tuple[str, str]] = Counter()
    for fired in verdicts.rules_of_alerts:
        counts.update(verdicts.explainer.live(fired))
    return counts
