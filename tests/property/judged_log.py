"""Everything a judged log publishes, in a form that can be compared: equal values are equal to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.verdict import Verdicts
from tests.property.payment_logs import Event


class Judgement(NamedTuple):
    """One verdict."""

    event_id: str
    decision: bytes
    features: dict[str, tuple[str, int]]  # by name: the float in hex, and how it was answered
    fired: tuple[bool, ...]


class Judged(NamedTuple):
    """A log's verdicts, alerts and rejections, in its order."""

    verdicts: list[Judgement]
    alerts: list[bytes]
    rejected: list[tuple[int, str, str, str]]
    labels: int
    labels_unmatched: int


def judged(
    engine: Engine, state: PartitionState, batches: Sequence[Sequence[Event]], published_at_ms: int | None = None
) -> Judged:
    """The batches judged one after the other."""
    verdicts: list[Judgement] = []
    alerts: list[bytes] = []
    rejected: list[tuple[int, str, str, str]] = []
    labels, unmatched, begin = 0, 0, 0
    for batch in batches:
        published = None if published_at_ms is None else [published_at_ms] * len(batch)
        found = engine.judge(batch, state, published)
        verdicts += judgements(found)
        alerts += [msgspec.json.encode(alert) for alert in decoded_alerts(found)]
        rejected += [(begin + r.position, r.reason, r.sentence, r.path) for r in found.rejected]
        labels, unmatched, begin = labels + found.labels, unmatched + found.labels_unmatched, begin + len(batch)
    return Judged(verdicts, alerts, rejected, labels, unmatched)


def judgements(verdicts: Verdicts) -> list[Judgement]:
    decisions = verdicts.decisions()
    values = {name: column.tolist() for name, column in verdicts.features.items()}
    errors = {name: column.tolist() for name, column in verdicts.errors.items()}
    return [
        Judgement(
            payment.event_id,
            msgspec.json.encode(decisions[row]),
            {
                name: (float(column[row]).hex(), errors[name][row] if name in errors else 0)
                for name, column in values.items()
            },
            tuple(verdicts.fired[row].tolist()),
        )
        for row, payment in enumerate(verdicts.payments)
    ]
