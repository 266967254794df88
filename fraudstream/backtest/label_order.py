"""The labels of a file as events: each comes when its delay has passed, and stands in the order of event time.

    time      1 ──── 2 ──── 3 ──── 4 ──── 5        delay 2
    events    p1     p2     L1 p3  L2 p4  L3 p5    then L4 L5

A label due at t stands before a payment at t, so the payment knows of it; among themselves labels keep their payments'
order. A payment without a label brings none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fraudstream.contracts import Label, Payment

Int64Array = npt.NDArray[np.int64]
SOURCE = "file"


class LabelledPayments(Protocol):
    """Payments in order of time; `labels`: int8, 1 fraud, 0 genuine, -1 none."""

    @property
    def payments(self) -> list[Payment]: ...
    @property
    def occurred_at_ms(self) -> Int64Array: ...
    @property
    def labels(self) -> npt.NDArray[np.int8]: ...


class Events(NamedTuple):
    """`events` in the order of the log, the time each belongs to, and the label of each payment (-1: none, or a
    label)."""

    events: list[Payment | Label]
    at_ms: Int64Array
    labels: npt.NDArray[np.int8]


def in_order(batches: Iterable[LabelledPayments], delay_ms: int) -> Iterator[Events]:
    """Payments and labels as one sequence, in pieces of no promised length; labels still due at the end come last."""
    waiting: list[Label] = []
    due = np.zeros(0, np.int64)
    for batch in batches:
        times = batch.occurred_at_ms
        if not len(times):
            continue
        n = len(times)
        labelled = np.flatnonzero(batch.labels >= 0)
        waiting += _labels(batch, labelled, delay_ms)
        due = np.concatenate([due, times[labelled] + delay_ms])
        # Before the first payment at or after its time, but never before its own payment.
        place = np.searchsorted(times, due, side="left")
        place[len(due) - len(labelled) :] = np.maximum(place[len(due) - len(labelled) :], labelled + 1)
        ready = int(np.searchsorted(place, n, side="left"))
        yield _merged(batch, waiting[:ready], place[:ready], due[:ready])
        waiting, due = waiting[ready:], due[ready:]
    if waiting:
        yield Events(list(waiting), due, np.full(len(waiting), -1, np.int8))


def in_batches(pieces: Iterable[Events], size: int) -> Iterator[Events]:
    """The same sequence in pieces of exactly `size` events; the last may be shorter."""
    held: list[Events] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece.events)
        if count < size:
            continue
        whole = _joined(held)
        last = count - count % size
        for start in range(0, last, size):
            yield _part(whole, start, start + size)
        held, count = [_part(whole, last, count)], count - last
    if count:
        yield _joined(held)


def _labels(batch: LabelledPayments, labelled: Int64Array, delay_ms: int) -> list[Label]:
    labels = []
    for at in labelled.tolist():
        payment = batch.payments[at]
        occurred_at_ms = int(batch.occurred_at_ms[at])
        labels.append(
            Label(
                event_id=payment.event_id,
                account_id=payment.account_id,
                label="fraud" if batch.labels[at] else "genuine",
                labelled_at=occurred_at_ms + delay_ms,
                payment_occurred_at=occurred_at_ms,
                merchant_id=payment.merchant_id,
                terminal_id=payment.terminal_id,
                counterparty_id=payment.counterparty_id,
                device_id=payment.device_id,
                partner_id=payment.partner_id,
                channel=payment.channel,
                source=SOURCE,
            )
        )
    return labels


def _merged(batch: LabelledPayments, labels: Sequence[Label], place: Int64Array, due: Int64Array) -> Events:
    """`place`: before which payment each label stands, ascending."""
    n, k = len(batch.payments), len(labels)
    events: list[Payment | Label] = [*batch.payments, *labels]
    # Among equal places labels (0) go before the payment (1); the sort is stable.
    keys = np.concatenate([np.arange(n, dtype=np.int64) * 2 + 1, place * 2])
    order = np.argsort(keys, kind="stable")
    at_ms = np.concatenate([batch.occurred_at_ms, due])[order]
    labels_of = np.concatenate([batch.labels, np.full(k, -1, np.int8)])[order]
    return Events([events[i] for i in order.tolist()] if k else list(batch.payments), at_ms, labels_of)


def _joined(pieces: Sequence[Events]) -> Events:
    if len(pieces) == 1:
        return pieces[0]
    return Events(
        [event for piece in pieces for event in piece.events],
        np.concatenate([piece.at_ms for piece in pieces]),
        np.concatenate([piece.labels for piece in pieces]),
    )


def _part(piece: Events, start: int, stop: int) -> Events:
    return Events(piece.events[start:stop], piece.at_ms[start:stop], piece.labels[start:stop])
