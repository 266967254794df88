"""Merges the labels of a file into its payments, in order of event time: each label when it became known, or after a
fixed delay where the file does not say.

    time      1 ──── 2 ──── 3 ──── 4 ──── 5        delay 2
    events    p1     p2     L1 p3  L2 p4  L3 p5    then L4 L5

A label due at t comes before a payment at t, so the label is already known when that payment is evaluated. Labels
due at one time keep the order of their payments.
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
    """A batch of n payments in order of event time, with their labels."""

    @property
    def payments(self) -> list[Payment]:
        """The payments."""

    @property
    def occurred_at_ms(self) -> Int64Array:
        """Event times, ms since the epoch, UTC; int64, shape (n,), ascending."""

    @property
    def labels(self) -> npt.NDArray[np.int8]:
        """1 fraud, 0 genuine, -1 unlabelled; int8, shape (n,)."""

    @property
    def labelled_at_ms(self) -> Int64Array | None:
        """When each label became known, ms since the epoch, UTC, not before its payment; int64, shape (n,), -1 unknown.
        None: of none of them."""


class Events(NamedTuple):
    """Payments and labels in the order in which they are published.

    `at_ms`: time of each event, ms since the epoch, int64 (n,). `labels`: label of each payment, int8 (n,): 1 fraud, 0
    genuine, -1 unlabelled or not a payment. `due_ms`: when the label of each payment becomes known, as of the function
    `due_ms`, int64 (n,); None where labels did not come with the payments.
    """

    events: list[Payment | Label]
    at_ms: Int64Array
    labels: npt.NDArray[np.int8]
    due_ms: Int64Array | None = None


def in_order(
    batches: Iterable[LabelledPayments | Events], delay_ms: int, labelled_until_ms: int | None = None
) -> Iterator[Events]:
    """Payments and labels as one sequence, in parts of any length; labels due after the last payment come last.

    `delay_ms`: time from a payment to its label, where its batch does not say when it became known.
    `labelled_until_ms`: no label says that it was given later, because a worker refuses labels from the future; ms
    since the epoch. Events that are in order already, with labels of their own, are returned unchanged.
    """
    waiting: list[Label] = []
    due = np.zeros(0, np.int64)
    for batch in batches:
        if isinstance(batch, Events):
            yield batch
            continue
        times = batch.occurred_at_ms
        if not len(times):
            continue
        n = len(times)
        labelled = np.flatnonzero(batch.labels >= 0)
        of_all = due_ms(batch, delay_ms)
        new_due = of_all[labelled]
        waiting += _labels(batch, labelled, new_due, labelled_until_ms)
        due = np.concatenate([due, new_due])
        # Before the first payment at or after the due time, but always after its own payment.
        insert_at = np.searchsorted(times, due, side="left")
        insert_at[len(due) - len(labelled) :] = np.maximum(insert_at[len(due) - len(labelled) :], labelled + 1)
        if (np.diff(due) < 0).any():  # never with a fixed delay
            order = np.lexsort((due, insert_at))  # stable
            waiting, due, insert_at = [waiting[index] for index in order.tolist()], due[order], insert_at[order]
        ready = int(np.searchsorted(insert_at, n, side="left"))
        yield _merged(batch, of_all, waiting[:ready], insert_at[:ready], due[:ready])
        waiting, due = waiting[ready:], due[ready:]
    if waiting:
        yield Events(list(waiting), due, np.full(len(waiting), -1, np.int8), due)


def in_batches(parts: Iterable[Events], size: int) -> Iterator[Events]:
    """The same sequence in batches of exactly `size` events; the last may be shorter."""
    pending: list[Events] = []
    count = 0
    for part in parts:
        pending.append(part)
        count += len(part.events)
        if count < size:
            continue
        whole = _joined(pending)
        last = count - count % size
        for start in range(0, last, size):
            yield part_of(whole, start, start + size)
        pending, count = [part_of(whole, last, count)], count - last
    if count:
        yield _joined(pending)


def due_ms(batch: LabelledPayments, delay_ms: int) -> Int64Array:
    """When the label of each payment becomes known, ms since the epoch, UTC; int64, shape (n,). `delay_ms`: as of
    `in_order`."""
    after_delay: Int64Array = batch.occurred_at_ms + delay_ms
    told = batch.labelled_at_ms
    return after_delay if told is None else np.where(told >= 0, told, after_delay)


def _labels(
    batch: LabelledPayments, labelled: Int64Array, due: Int64Array, labelled_until_ms: int | None
) -> list[Label]:
    """The labels of the payments `labelled`. `due`: when each becomes known."""
    labels = []
    for at, labelled_at_ms in zip(labelled.tolist(), due.tolist(), strict=True):
        payment = batch.payments[at]
        occurred_at_ms = int(batch.occurred_at_ms[at])
        if labelled_until_ms is not None:
            labelled_at_ms = min(labelled_at_ms, labelled_until_ms)
        labels.append(
            Label(
                event_id=payment.event_id,
                account_id=payment.account_id,
                label="fraud" if batch.labels[at] else "genuine",
                labelled_at=labelled_at_ms,
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


def _merged(
    batch: LabelledPayments, due_of_all: Int64Array, labels: Sequence[Label], insert_at: Int64Array, due: Int64Array
) -> Events:
    """`due_of_all`: as of `due_ms`. `insert_at`: index of the payment that each label precedes, ascending; `due`: when
    each becomes known; int64, shape (labels,)."""
    n, k = len(batch.payments), len(labels)
    events: list[Payment | Label] = [*batch.payments, *labels]
    # At the same index a label (even key) precedes the payment (odd key); the sort is stable.
    keys = np.concatenate([np.arange(n, dtype=np.int64) * 2 + 1, insert_at * 2])
    order = np.argsort(keys, kind="stable")
    at_ms = np.concatenate([batch.occurred_at_ms, due])[order]
    labels_of = np.concatenate([batch.labels, np.full(k, -1, np.int8)])[order]
    in_turn = [events[i] for i in order.tolist()] if k else list(batch.payments)
    return Events(in_turn, at_ms, labels_of, np.concatenate([due_of_all, due])[order])


def _joined(parts: Sequence[Events]) -> Events:
    if len(parts) == 1:
        return parts[0]
    due = [part.due_ms for part in parts if part.due_ms is not None]
    return Events(
        [event for part in parts for event in part.events],
        np.concatenate([part.at_ms for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(due) if len(due) == len(parts) else None,
    )


def part_of(events: Events, start: int, stop: int) -> Events:
    """The events from `start` to before `stop`."""
    due = events.due_ms[start:stop] if events.due_ms is not None else None
    return Events(events.events[start:stop], events.at_ms[start:stop], events.labels[start:stop], due)
