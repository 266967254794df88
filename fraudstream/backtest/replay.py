"""Replay: the engine over a file of payments and its labels, as if they came in a stream.

The engine is the one that runs in a worker, so decisions and alerts are those of the stream. How the file is cut into
batches changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np

from fraudstream.backtest.evaluate import Evaluation, RuleResult
from fraudstream.backtest.label_order import LabelledPayments, in_batches, in_order
from fraudstream.backtest.replay_output import ReplayOutput
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import Type
from fraudstream.engine.rule_set import RuleSet

REJECTIONS_TOLD = 20


class RejectedPayment(msgspec.Struct, frozen=True):
    event_id: str
    reason: str
    sentence: str


class Summary(msgspec.Struct, frozen=True):
    """`summary.json`. `us_a_payment`: microseconds in the engine alone; `payments_per_s`: all of the replay, files
    included.

    `rejected`: by reason; the first of them stand in `rejections`. `state_rows`: accounts and other entities met. `auc`
    and `average_precision` rank by the score; None without one, or without labels of both kinds.
    """

    payments: int
    labels: int
    labels_unmatched: int
    alerts: int
    outcomes: dict[str, int]
    repeats: int
    late: int
    rejected: dict[str, int]
    rejections: list[RejectedPayment]
    state_rows: int
    memory_bytes: int
    frauds: int
    genuine: int
    auc: float | None
    average_precision: float | None
    alert: RuleResult
    rules: list[RuleResult]
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
    batches: Iterable[LabelledPayments],
    out: Path,
    *,
    label_delay_ms: int,
    batch_size: int,
    features_out: Path | None = None,
    progress: Callable[[int, int], None] = lambda payments, alerts: None,
) -> Summary:
    """Judge every payment and write `decisions.parquet`, `alerts.jsonl` and `summary.json` to `out`.

    `progress` is called after each batch with its payments and its alerts. Raises what `batches` raises.
    """
    engine = Engine(rule_set)
    memory = engine.memory()
    evaluation = Evaluation([rule.name for rule in rule_set.rules])
    outcomes: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    rejections: list[RejectedPayment] = []
    payments = labels = unmatched = alerts = repeats = late = 0
    first_ms: int | None = None
    last_ms: int | None = None
    judging_s, started = 0.0, time.perf_counter()
    with ReplayOutput(out, feature_types(rule_set.catalogue), features_out) as output:
        for batch in in_batches(in_order(batches, label_delay_ms), batch_size):
            before = time.perf_counter()
            verdicts = engine.judge(batch.events, memory)
            judging_s += time.perf_counter() - before
            labels_of = batch.labels[verdicts.positions]
            written = output.write(verdicts, labels_of)
            evaluation.add(verdicts.score_points, verdicts.fired, verdicts.alerted, labels_of)
            for rejection in verdicts.rejected:
                rejected[rejection.reason] += 1
                if len(rejections) < REJECTIONS_TOLD:
                    event = batch.events[rejection.position]
                    rejections.append(RejectedPayment(event.event_id, rejection.reason, rejection.sentence))
            found = np.bincount(verdicts.finding, minlength=len(verdicts.findings)).tolist()
            for finding, times in zip(verdicts.findings, found, strict=True):
                outcomes[finding.outcome] += times
            payments += verdicts.n
            labels += verdicts.labels
            unmatched += verdicts.labels_unmatched
            alerts += written
            repeats += int(verdicts.repeat.sum())
            late += int(verdicts.late.sum())
            if verdicts.n:
                first_ms = int(verdicts.occurred_at_ms[0]) if first_ms is None else first_ms
                last_ms = int(verdicts.occurred_at_ms[-1])
            progress(verdicts.n, written)
    seconds = time.perf_counter() - started
    summary = Summary(
        payments=payments,
        labels=labels,
        labels_unmatched=unmatched,
        alerts=alerts,
        outcomes=dict(sorted(outcomes.items())),
        repeats=repeats,
        late=late,
        rejected=dict(sorted(rejected.items())),
        rejections=rejections,
        state_rows=memory.rows,
        memory_bytes=memory.memory_bytes,
        frauds=evaluation.frauds,
        genuine=evaluation.genuine,
        auc=evaluation.auc() if rule_set.score.parts else None,
        average_precision=evaluation.average_precision() if rule_set.score.parts else None,
        alert=evaluation.alerts(),
        rules=evaluation.rules(),
        rule_set=rule_set.digest,
        label_delay_ms=label_delay_ms,
        first_occurred_at_ms=first_ms,
        last_occurred_at_ms=last_ms,
        us_a_payment=round(judging_s / max(payments, 1) * 1e6, 3),
        payments_per_s=round(payments / max(seconds, 1e-9)),
        seconds=round(seconds, 3),
    )
    (out / "summary.json").write_bytes(msgspec.json.format(encode_summary(summary), indent=2) + b"\n")
    return summary


def encode_summary(summary: Summary) -> bytes:
    """JSON in which each rule is an object, not a row."""
    content = msgspec.to_builtins(summary)
    content["alert"] = summary.alert._asdict()
    content["rules"] = [rule._asdict() for rule in summary.rules]
    return msgspec.json.encode(content)


def feature_types(catalogue: Catalogue) -> dict[str, Type]:
    """The features of a catalogue by name, those over an entity's past first."""
    past = {feature.name: feature.type for feature in catalogue.features}
    return past | {derived.name: derived.type for derived in catalogue.derived}
