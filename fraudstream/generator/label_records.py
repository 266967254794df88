"""The labels of generated payments, each a record at the time at which it becomes known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from fraudstream.contracts import Label, Payment
from fraudstream.generator.batch import GeneratedBatch
from fraudstream.generator.stable_choice import Int64Array

_FIELDS = (
    "event_id",
    "account_id",
    "merchant_id",
    "terminal_id",
    "counterparty_id",
    "device_id",
    "partner_id",
    "channel",
)


class EventsInOrder(NamedTuple):
    """Payments and labels in order of time. `at_ms`: of each, ms since the epoch, int64 (n,), ascending."""

    events: list[Payment | Label]
    at_ms: Int64Array


class PendingLabels:
    """Labels whose time has not come, in order of it."""

    def __init__(self) -> None:
        self._labels: list[Label] = []
        self._at_ms: Int64Array = np.zeros(0, np.int64)

    def add(self, batch: GeneratedBatch) -> None:
        """Add what becomes known of a batch; corrections follow the labels that they correct."""
        reports = batch.reports
        told, corrected = np.flatnonzero(reports.label >= 0), np.flatnonzero(reports.corrected_at_ms >= 0)
        at = np.concatenate([told, corrected])
        fraud = np.concatenate([reports.label[told] == 1, reports.label[corrected] == 0])
        at_ms = np.concatenate([reports.at_ms[told], reports.corrected_at_ms[corrected]])
        labels = self._labels + _records(batch, at, fraud.tolist(), at_ms.tolist())
        at_ms = np.concatenate([self._at_ms, at_ms])
        order = np.argsort(at_ms, kind="stable")
        self._labels, self._at_ms = [labels[number] for number in order.tolist()], at_ms[order]

    def due(self, until_ms: int) -> tuple[list[Label], Int64Array]:
        """Take the labels that are known by `until_ms`, and the time of each."""
        count = int(np.searchsorted(self._at_ms, until_ms, side="right"))
        labels, at_ms = self._labels[:count], self._at_ms[:count]
        self._labels, self._at_ms = self._labels[count:], self._at_ms[count:]
        return labels, at_ms


def events_in_order(batches: Iterable[GeneratedBatch], until_ms: int) -> Iterator[EventsInOrder]:
    """Payments and labels as one sequence; a label comes before a payment of the same time.

    Labels that become known after the last payment follow up to `until_ms`, the present; later ones are not known yet.
    """
    pending, last_ms = PendingLabels(), 0
    for batch in batches:
        pending.add(batch)
        last_ms = int(batch.occurred_at_ms[-1])
        labels, due_ms = pending.due(last_ms)
        at_ms = np.concatenate([due_ms, batch.occurred_at_ms])
        order = np.argsort(at_ms, kind="stable")
        events: list[Payment | Label] = [*labels, *batch.payments]
        yield EventsInOrder([events[number] for number in order.tolist()], at_ms[order])
    labels, at_ms = pending.due(max(last_ms, until_ms))
    if labels:
        yield EventsInOrder([*labels], at_ms)


def _records(batch: GeneratedBatch, at: Int64Array, fraud: list[bool], at_ms: list[int]) -> list[Label]:
    fields = [batch.columns[name][at].tolist() for name in _FIELDS]
    occurred = batch.occurred_at_ms[at].tolist()
    typologies = [batch.typologies[number] for number in at.tolist()]
    return [
        Label(
            event_id=event_id,
            account_id=account_id,
            label="fraud" if is_fraud else "genuine",
            labelled_at=labelled_at,
            payment_occurred_at=occurred_at,
            merchant_id=merchant,
            terminal_id=terminal,
            counterparty_id=counterparty,
            device_id=device,
            partner_id=partner,
            channel=channel,
            source=f"generator:{typology}" if typology else "generator",
        )
        for is_fraud, labelled_at, occurred_at, typology, (
            event_id,
            account_id,
            merchant,
            terminal,
            counterparty,
            device,
            partner,
            channel,
        ) in zip(fraud, at_ms, occurred, typologies, zip(*fields, strict=True), strict=True)
    ]
