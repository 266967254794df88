"""The valid events of a batch: a frame of its payments, and its labels, in the order of the log."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fraudstream.compiled.packed import Packed, pack
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import Int8Array, Int64Array, UInt64Array
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import Rejection, time_ms
from fraudstream.engine.digest import digest_column
from fraudstream.engine.entity_key import Key, keys_of, keys_of_labels
from fraudstream.engine.expression import Array
from fraudstream.engine.frame_columns import FrameColumns, FrameIndex
from fraudstream.engine.frame_layout import ACCOUNT_ID
from fraudstream.engine.frame_rows import frame_of
from fraudstream.engine.label_times import check_labels
from fraudstream.engine.plan import LABELS


class LabelColumns(NamedTuple):
    """The labels of a batch as arrays of shape (labels,).

    `event`: digest of the payment's event_id; uint64. `value`: `plan.LABELS`; int8. `labelled_ms`: ms since the epoch;
    int64. `t`: event time of the payment, `NEVER` if unknown; int64.
    """

    event: UInt64Array
    value: Int8Array
    labelled_ms: Int64Array
    t: Int64Array


class Batch:
    """The `n` valid events of a batch: p payments and the labels, in the order of the log.

    `columns`: of the payments. `positions`: index of each event among all of the call, invalid ones included; int64,
    shape (n,). `payment_at`, `label_at`: index of each payment and of each label among the events; int64, shapes (p,)
    and (labels,). `rejected`: the events of the call that are not valid, in order.

    The constructor takes `positions` of the payments, and each label with its position.
    """

    def __init__(
        self,
        columns: FrameColumns,
        positions: Int64Array,
        labels: Sequence[tuple[int, Label]],
        rejected: list[Rejection],
    ) -> None:
        self.columns, self.labels, self.rejected = columns, [label for _, label in labels], rejected
        self.n = columns.n + len(labels)
        self.positions = positions
        self._payment_at: Int64Array | None = None
        self.label_at: Int64Array = _NONE
        if labels:
            unordered = np.concatenate([positions, np.array([position for position, _ in labels], np.int64)])
            order = np.argsort(unordered)
            self.positions = unordered[order]
            index = np.empty(self.n, np.int64)
            index[order] = np.arange(self.n)
            self._payment_at, self.label_at = index[: columns.n], index[columns.n :]

    @property
    def payment_at(self) -> Int64Array:
        """Index of each payment among the events: int64, shape (p,)."""
        if self._payment_at is None:
            self._payment_at = np.arange(self.n)
        return self._payment_at

    @property
    def payment_of(self) -> Int64Array:
        """Index of each event among the payments, -1 for a label: int64, shape (n,)."""
        found: Int64Array = np.full(self.n, -1, np.int64)
        found[self.payment_at] = np.arange(self.columns.n)
        return found

    def of_payments(self, of_events: Array) -> Array:
        """The rows of the payments in an array of the events, last axis n. The array itself if there are no labels."""
        return of_events[..., self.payment_at] if self.labels else of_events

    def of_events(self, of_payments: Array, missing: float = 0) -> Array:
        """Rows of payments as rows of events: last axis n; `missing` for labels. `of_payments`: last axis p."""
        if not self.labels:
            return of_payments
        merged = np.full((*of_payments.shape[:-1], self.n), missing, of_payments.dtype)
        merged[..., self.payment_at] = of_payments
        return merged

    @cached_property
    def label_columns(self) -> LabelColumns:
        """The labels as arrays, made once: each entity reads them."""
        moments = [label.payment_occurred_at for label in self.labels]
        return LabelColumns(
            digest_column([label.event_id for label in self.labels], self.columns.digest_key),
            np.array([LABELS[label.label] for label in self.labels], np.int8),
            np.array([time_ms(label.labelled_at) for label in self.labels], np.int64),
            np.array([NEVER if t is None else time_ms(t) for t in moments], np.int64),
        )

    def label_keys(self, key: Key) -> Packed:
        """The value of an entity's key in each label, in UTF-8; empty where it has none."""
        return keys_of_labels(self.labels, key)

    def keys(self, key: Key, of_labels: Sequence[bytes] = ()) -> Packed:
        """The record key of each event where an entity's key is `key`; the account's where an event lacks it.

        `of_labels`: the keys of the labels' payments, empty where one is not known; by default none is.
        """
        of_payments = keys_of(self.columns, key, ACCOUNT_ID)
        if not self.labels:
            return of_payments
        keys: list[bytes | None] = [None] * self.n
        for at, found in zip(self.payment_at.tolist(), of_payments.present(), strict=True):
            keys[at] = found
        named = self.label_keys(key).present()
        known = of_labels or [b""] * len(self.labels)
        for at, label, found, own in zip(self.label_at.tolist(), self.labels, known, named, strict=True):
            keys[at] = found or own or label.account_id.encode()
        return pack(keys)


def batch_of_events(
    events: Sequence[Payment | Label],
    published_at_ms: Sequence[int] | None,
    too_far_ahead_ms: int,
    index: FrameIndex,
) -> Batch:
    """The valid ones of some events; positions are indices of `events`. Parameters as of `Engine`."""
    at = np.array([i for i, event in enumerate(events) if type(event) is not Label], np.int64)
    payments = [event for event in events if not isinstance(event, Label)]
    labels = [(i, event) for i, event in enumerate(events) if type(event) is Label] if len(at) < len(events) else []
    published = None if published_at_ms is None else np.asarray(published_at_ms, np.int64)[at]
    columns, kept, rejected = read_columns(payments, published, too_far_ahead_ms, index.attributes, index.digest_key)
    rejected = [rejection._replace(position=int(at[rejection.position])) for rejection in rejected]
    if labels:
        labels, refused = check_labels(labels, published_at_ms, too_far_ahead_ms)
        rejected = sorted(rejected + refused)
    return Batch(frame_of(index, columns), at[kept], labels, rejected)


_NONE: Int64Array = np.zeros(0, np.int64)
