"""Replay: evaluates a file of payments and its labels with the engine of the stream.

Decisions and alerts are the same as those of a worker, for any batch size.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from fraudstream.backtest.label_order import Events, LabelledPayments, in_batches, in_order
from fraudstream.backtest.replay_output import ReplayOutput
from fraudstream.backtest.row_report import RowReport
from fraudstream.backtest.told import NOTHING_TOLD, Name, Told
from fraudstream.contracts import Label, Payment
from fraudstream.contracts.control import ListName, TimeMs
from fraudstream.contracts.fields import Identifier
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import Type
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.verdict import Verdicts
from fraudstream.evaluation.detection_counts import DetectionCounts, RuleResult

REJECTIONS_REPORTED = 20
NO_TYPOLOGIES: Mapping[str, str] = {}


class ListedValue(msgspec.Struct, frozen=True):
    """A list entry in force from the start of a replay; it never expires if `expires_at_ms` is None."""

    list: ListName
    value: Identifier
    expires_at_ms: TimeMs | None = None


class RejectedPayment(msgspec.Struct, frozen=True):
    """A payment that the engine rejected, with the reason as in its dead letter."""

    event_id: str
    reason: str
    sentence: str


class Summary(msgspec.Struct, frozen=True):
    """Contents of `summary.json`.

    `us_a_payment`: microseconds per payment in the engine alone; `payments_per_s`: of the whole replay, file access
    included. `unmatched`: reversals and captures whose payment a state does not hold. `rejected`: counts by reason;
    `rejections`: the first of them. `rows_excluded`: rows that `where` of the mapping left out; `rows_skipped`: bad
    rows, counted by reason; `notices`: what a person should check about the file. `state_rows`: number of accounts and
    other entities in the state; `memory_bytes`: RAM of the state. `auc` and `average_precision`: quality of the score,
    None without a score or without labels of both kinds. `rules`: live ones, `shadow_rules`: those that decide nothing;
    `alert`: what live rules and score raised.
    """

    payments: int
    labels: int
    labels_unmatched: int
    alerts: int
    outcomes: dict[str, int]
    repeats: int
    late: int
    unmatched: int
    rejected: dict[str, int]
    rejections: list[RejectedPayment]
    rows_excluded: int
    rows_skipped: dict[str, int]
    notices: list[str]
    state_rows: int
    memory_bytes: int
    frauds: int
    genuine: int
    auc: float | None
    average_precision: float | None
    alert: RuleResult
    rules: list[RuleResult]
    shadow_rules: list[RuleResult]
    rule_set: str
    label_delay_ms: int
    first_occurred_at_ms: int | None
    last_occurred_at_ms: int | None
    us_a_payment: float
    payments_per_s: float
    seconds: float
    schema_version: int = 1


def replay(
    rule_set: RuleSet,
    batches: Iterable[LabelledPayments | Events],
    out: Path,
    *,
    label_delay_ms: int,
    batch_size: int,
    features_out: Path | None = None,
    listed: Iterable[ListedValue] = (),
    report: RowReport | None = None,
    digest_key: DigestKey = PUBLIC_KEY,
    typologies: Mapping[str, str] = NO_TYPOLOGIES,
    label_sources: Mapping[Name, Told] = NOTHING_TOLD,
    progress: Callable[[int, int], None] = lambda payments, alerts: None,
) -> Summary:
    """Evaluate every payment and write `decisions.parquet`, `alerts.jsonl` and `summary.json` to `out`.

    `label_delay_ms`: time from a payment to its label. `batch_size`: events per engine call; it does not affect the
    result. `features_out`: Parquet file for the features of every payment. `listed`: initial list entries. `report`: of
    the rows of the file that gave no payment, if `batches` come from one. `digest_key`: of the deployment that the
    payments are from. `typologies`: kinds of frauds by event_id, `label_sources`: of labels by account and event id,
    both filled while `batches` are read. `progress` is called after each batch with its numbers of payments and alerts.
    Raises whatever `batches` raises.
    """
    engine = Engine(rule_set, digest_key=digest_key)
    state = engine.new_state()
    for entry in listed:
        state.lists.put(entry.list, entry.value, entry.expires_at_ms)
    tally = _Tally(rule_set)
    engine_s, started = 0.0, time.perf_counter()
    types = feature_types(rule_set.catalogue)
    with ReplayOutput(
        out, types, features_out, digest_key, typologies, rule_set.shadow_scores, label_sources
    ) as output:
        for batch in in_batches(in_order(batches, label_delay_ms), batch_size):
            before = time.perf_counter()
            verdicts = engine.judge(batch.events, state)
            engine_s += time.perf_counter() - before
            tally.note_rejections(batch.events, verdicts)
            if verdicts.n:
                labels = batch.labels[verdicts.positions]
                alerts = output.write(verdicts, labels)
                tally.add(verdicts, labels, alerts)
                progress(verdicts.n, alerts)
    rows = report or RowReport()
    summary = tally.summary(state, rows, label_delay_ms, engine_s, time.perf_counter() - started)
    _write_summary(out, summary)
    return summary


def _write_summary(out: Path, summary: Summary) -> None:
    draft = out / ".summary.json.part"  # renamed when complete, so an existing summary is complete
    draft.write_bytes(msgspec.json.format(encode_summary(summary), indent=2) + b"\n")
    draft.replace(out / "summary.json")


class _Tally:
    """Counters of a replay."""

    def __init__(self, rule_set: RuleSet) -> None:
        self._rule_set = rule_set
        self._detection = DetectionCounts([rule.name for rule in rule_set.rules], POINTS_MAX)
        self._outcomes: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._rejections: list[RejectedPayment] = []
        self._payments = self._labels = self._labels_unmatched = 0
        self._alerts = self._repeats = self._late = self._unmatched = 0
        self._first_ms: int | None = None
        self._last_ms: int | None = None

    def note_rejections(self, events: Sequence[Payment | Label], verdicts: Verdicts) -> None:
        self._labels += verdicts.labels
        self._labels_unmatched += verdicts.labels_unmatched
        for rejection in verdicts.rejected:
            self._rejected[rejection.reason] += 1
            if len(self._rejections) < REJECTIONS_REPORTED:
                event_id = events[rejection.position].event_id
                self._rejections.append(RejectedPayment(event_id, rejection.reason, rejection.sentence))

    def add(self, verdicts: Verdicts, labels: npt.NDArray[np.int8], alerts: int) -> None:
        """Count a batch with at least one payment."""
        self._detection.add(verdicts.score_points, verdicts.fired, verdicts.alerted, labels)
        found = np.bincount(verdicts.finding, minlength=len(verdicts.findings)).tolist()
        for finding, times in zip(verdicts.findings, found, strict=True):
            self._outcomes[finding.outcome] += times
        self._payments += verdicts.n
        self._alerts += alerts
        self._repeats += int(verdicts.repeat.sum())
        self._late += int(verdicts.late.sum())
        self._unmatched += int(np.count_nonzero(verdicts.unmatched))
        if self._first_ms is None:
            self._first_ms = int(verdicts.occurred_at_ms[0])
        self._last_ms = int(verdicts.occurred_at_ms[-1])

    def summary(
        self, state: PartitionState, rows: RowReport, label_delay_ms: int, engine_s: float, seconds: float
    ) -> Summary:
        detection, scored = self._detection, bool(self._rule_set.scorer.inputs)
        results = list(zip(self._rule_set.rules, detection.rules(), strict=True))
        return Summary(
            payments=self._payments,
            labels=self._labels,
            labels_unmatched=self._labels_unmatched,
            alerts=self._alerts,
            outcomes=dict(sorted(self._outcomes.items())),
            repeats=self._repeats,
            late=self._late,
            unmatched=self._unmatched,
            rejected=dict(sorted(self._rejected.items())),
            rejections=self._rejections,
            rows_excluded=rows.excluded,
            rows_skipped=dict(sorted(rows.bad.items())),
            notices=rows.notices,
            state_rows=state.rows,
            memory_bytes=state.memory_bytes,
            frauds=detection.frauds,
            genuine=detection.genuine,
            auc=detection.auc() if scored else None,
            average_precision=detection.average_precision() if scored else None,
            alert=detection.alerts(),
            rules=[result for rule, result in results if rule.status == "live"],
            shadow_rules=[result for rule, result in results if rule.status == "shadow"],
            rule_set=self._rule_set.digest,
            label_delay_ms=label_delay_ms,
            first_occurred_at_ms=self._first_ms,
            last_occurred_at_ms=self._last_ms,
            us_a_payment=round(engine_s / max(self._payments, 1) * 1e6, 3),
            payments_per_s=round(self._payments / max(seconds, 1e-9)),
            seconds=round(seconds, 3),
        )


def encode_summary(summary: Summary) -> bytes:
    """The summary as JSON; each rule result is an object, not an array."""
    content = msgspec.to_builtins(summary)
    content["alert"] = summary.alert._asdict()
    content["rules"] = [rule._asdict() for rule in summary.rules]
    content["shadow_rules"] = [rule._asdict() for rule in summary.shadow_rules]
    return msgspec.json.encode(content)


def feature_types(catalogue: Catalogue) -> dict[str, Type]:
    """The type of each feature of a catalogue, by name; stateful features first, then derived ones."""
    past = {feature.name: feature.type for feature in catalogue.features}
    return past | {derived.name: derived.type for derived in catalogue.derived}
