"""From a list of records to answers: decode, judge, and hand decisions, alerts and dead letters to the producer; or,
where another stage decides, hand payments on to the next one.

All work is for whole lists: one decode call, one `judge`, one encoding pass. Nothing here waits for a checkpoint; the
acknowledgements are left with the partition, and its next checkpoint awaits them.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fraudstream.contracts import Alert
from fraudstream.contracts.dead_letter import dead_letter
from fraudstream.contracts.headers import (
    BACKFILLED_HEADER,
    CONTROL_HEADER,
    origin_header,
    source_header,
    version_header,
)
from fraudstream.engine.columns import Rejection
from fraudstream.engine.forwarded_features import OtherFeatures
from fraudstream.engine.log import ForwardedSpan, JudgedSpan, controls_in, forward_log, read_log, rule_sets_named
from fraudstream.stream.dead_letter import output_record
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.forward import forward_records
from fraudstream.stream.outputs import OutputRecord

if TYPE_CHECKING:
    from fraudstream.engine.verdict import Verdicts
    from fraudstream.stream.faust.app import StreamApp
    from fraudstream.stream.faust.raw_records import FetchedRecord
    from fraudstream.stream.faust.transport import RecordBatch
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.rule_sets import RuleSets

REFETCHES_MAX = 100  # lists in a row that begin beyond the position: more is no rebalance but a fault

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


class Decider:
    """The stage's agent without Faust: `decide` is called with one list at a time."""

    def __init__(self, app: StreamApp) -> None:
        self._app = app
        self._refetches = 0

    async def decide(self, number: int, fetched: RecordBatch) -> None:
        """Apply `fetched` to the partition's memory and send the answers. Drops lists of partitions that left."""
        partition = self._app.partitions.get(number)
        if partition is None:
            return
        async with partition.lock:
            if partition.frozen or fetched.next <= partition.next_offset:
                return
            if fetched.first > partition.next_offset:
                await self._fetch_again(partition, fetched)
                return
            self._refetches = 0
            await self._apply(partition, fetched)
        if partition.cut_over:
            await self._app.versions.cut_over(partition)
            return
        await partition.settle()
        self._app.observer.on_lag(number, lag=max(0, fetched.end - fetched.next))

    async def _fetch_again(self, partition: Partition, fetched: RecordBatch) -> None:
        """A list before this one was dropped on its way, as a rebalance does: go back to where the memory stands."""
        self._refetches += 1
        assert self._refetches <= REFETCHES_MAX, (
            f"{self._app.settings.input_topic}-{partition.number}: {self._refetches} lists in a row begin beyond "
            f"{partition.next_offset}, the last at {fetched.first}"
        )
        log.info("partition %d: going back from %d to %d", partition.number, fetched.first, partition.next_offset)
        await self._app.seek(partition)

    async def _apply(self, partition: Partition, fetched: RecordBatch) -> None:
        records = fetched.records
        if records[0].offset < partition.next_offset:  # fetched from further back than the memory stands
            records = [record for record in records if record.offset >= partition.next_offset]
        try:
            if self._app.rule_sets is not None:
                await self._judge(partition, fetched.next, records, self._app.rule_sets)
            else:
                self._forward(partition, fetched.next, records)
        except OtherFeatures as error:
            raise PermanentFailure(f"{self._app.settings.input_topic}-{partition.number}: {error}") from error
        if partition.learns and any(map(_is_decided, records)):
            self._app.versions.decide_from_here(partition)

    async def _judge(
        self, partition: Partition, next_offset: int, records: Sequence[FetchedRecord], rule_sets: RuleSets
    ) -> None:
        controls = controls_in(records)
        if controls:
            await rule_sets.load(rule_sets_named(partition.state, records, controls))
        state = partition.state
        started, before, backfilling = time.perf_counter(), state.rule_set, state.backfilling
        spans = read_log(rule_sets.engines, state, records, controls)
        self._move_on(partition, next_offset, records, spans)
        for span in spans:
            if span.decided:
                self._answer(partition, records, span, started)
            else:
                self._build(partition, span)
            started = time.perf_counter()
        if backfilling and not state.backfilling:
            self._app.versions.decide_from_here(partition)
        elif state.rule_set != before:
            log.info("partition %d: the rule set %s is in force", partition.number, state.rule_set)
            self._app.observer.on_decided(partition.number, rule_set=state.rule_set)

    def _move_on(
        self,
        partition: Partition,
        next_offset: int,
        records: Sequence[FetchedRecord],
        spans: Sequence[JudgedSpan | ForwardedSpan],
    ) -> None:
        """With the memory, before any await: what is applied is never applied again."""
        read = sum(span.records for span in spans)
        partition.next_offset = records[read - 1].offset + 1 if partition.cut_over else next_offset

    def _build(self, partition: Partition, span: JudgedSpan) -> None:
        partition.applied += span.result.events
        self._app.observer.on_backfilled(
            partition.number,
            records=span.records,
            watermark_ms=partition.state.watermark_ms,
            rows=partition.state.rows,
            size=partition.state.memory_bytes,
        )

    def _answer(self, partition: Partition, records: Sequence[FetchedRecord], span: JudgedSpan, started: float) -> None:
        verdicts, positions, refused, events, dropped, arrived_at_ms = span.result
        partition.applied += events
        alerts = verdicts.alerts()
        self._send(partition, records, verdicts, positions, alerts)
        self._send_dead_letters(partition, records, refused)

        now_ms = time.time() * 1000
        self._app.observer.on_batch(
            partition.number,
            records=span.records,
            payments=verdicts.n,
            decisions=_by_outcome(verdicts) if self._app.decisions is not None else {},
            labels=verdicts.labels,
            labels_unmatched=verdicts.labels_unmatched,
            repeats=int(np.count_nonzero(verdicts.repeat)),
            altered=int(np.count_nonzero(verdicts.altered)),
            late=int(np.count_nonzero(verdicts.late)),
            alerts=len(alerts),
            alert_rules=_rules_of(alerts),
            dead_letters=Counter(rejection.reason for rejection in refused),
            dropped=dropped,
            since_occurred_ms=now_ms - verdicts.occurred_at_ms.astype(np.float64),
            since_arrival_ms=now_ms - arrived_at_ms.astype(np.float64),
            seconds=time.perf_counter() - started,
            watermark_ms=partition.state.watermark_ms,
            rows=partition.state.rows,
            size=partition.state.memory_bytes,
        )

    def _forward(self, partition: Partition, next_offset: int, records: Sequence[FetchedRecord]) -> None:
        started, backfilling = time.perf_counter(), partition.state.backfilling
        spans = forward_log(self._app.engine, partition.state, records)
        self._move_on(partition, next_offset, records, spans)
        for span in spans:
            self._forward_span(partition, records, span, started)
            started = time.perf_counter()
        if backfilling and not partition.state.backfilling:
            self._app.versions.decide_from_here(partition)

    def _forward_span(
        self, partition: Partition, records: Sequence[FetchedRecord], span: ForwardedSpan, started: float
    ) -> None:
        app, result = self._app, span.result
        assert app.forwards is not None, "a stage that does not decide has a next one"
        partition.applied += result.events
        partition.pending |= forward_records(
            app.forwards, app.output_producer, app.settings, partition.number, records, span, int(time.time() * 1000)
        )
        refused = result.refused if span.decided else []  # else the version that decides tells of it
        self._send_dead_letters(partition, records, refused)
        app.observer.on_forwarded(
            partition.number,
            records=span.records,
            forwarded=len(result.positions),
            dead_letters=Counter(rejection.reason for rejection in refused),
            dropped=result.dropped,
            seconds=time.perf_counter() - started,
            watermark_ms=partition.state.watermark_ms,
            rows=partition.state.rows,
            size=partition.state.memory_bytes,
        )

    def _send(
        self,
        partition: Partition,
        records: Sequence[FetchedRecord],
        verdicts: Verdicts,
        positions: list[int],
        alerts: list[Alert],
    ) -> None:
        app, number, now_ms = self._app, partition.number, int(time.time() * 1000)
        version = [version_header(app.settings.state_version)] if app.settings.state_version > 1 else []
        if app.decisions is not None and verdicts.n:
            values = _encoder.encode_lines(verdicts.decisions()).splitlines()
            keys = [payment.account_id.encode() for payment in verdicts.payments]
            answers = _answers(number, records, positions, keys, values, version)
            partition.pending |= app.decisions.send(app.output_producer, number, answers, now_ms)
        if alerts:
            assert app.alerts is not None, "a stage that judges has a topic for alerts"
            of_alerts = list(compress(positions, verdicts.alerted.tolist()))
            values = [_encoder.encode(alert) for alert in alerts]
            keys = [alert.account_id.encode() for alert in alerts]
            origin = [origin_header(number)] if app.settings.stage_is_first else []
            answers = _answers(number, records, of_alerts, keys, values, [*version, *origin])
            partition.pending |= app.alerts.send(app.output_producer, number, answers, now_ms)

    def _send_dead_letters(
        self, partition: Partition, records: Sequence[FetchedRecord], refused: list[Rejection]
    ) -> None:
        app, number, now_ms = self._app, partition.number, int(time.time() * 1000)
        if refused:
            topic = app.settings.input_topic
            letters = [dead_letter(records[r.position], topic, number, r.reason, r.sentence, r.path) for r in refused]
            partition.pending |= app.dead_letters.send(app.output_producer, number, map(output_record, letters), now_ms)


def _is_decided(record: FetchedRecord) -> bool:
    """Whether the state version decides it that handed it on."""
    return BACKFILLED_HEADER not in record.headers and CONTROL_HEADER not in record.headers


def _answers(
    number: int,
    records: Sequence[FetchedRecord],
    positions: list[int],
    keys: Sequence[bytes],
    values: Sequence[bytes],
    further: Sequence[tuple[str, bytes]] = (),
) -> Iterator[OutputRecord]:
    """A record for each payment, keyed by its account, with its source and `further` headers.

    Made as they are taken: kept in a list, so many small objects would cost the garbage collector more than all the
    rest.
    """
    for position, key, value in zip(positions, keys, values, strict=True):
        yield key, value, [source_header(number, records[position].offset), *further]


def _by_outcome(verdicts: Verdicts) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number, count in zip(*np.unique(verdicts.finding, return_counts=True), strict=True):
        counts[verdicts.findings[number].outcome] += int(count)
    return counts


def _rules_of(alerts: Sequence[Alert]) -> Counter[tuple[str, str]]:
    return Counter((hit.rule, hit.severity) for alert in alerts for hit in alert.rules if not hit.shadow)
