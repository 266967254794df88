"""A batch of payments and labels as the kernel's input for each entity: events in the order of the log."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from fraudstream.contracts.label import Label
from fraudstream.engine import kernel_types
from fraudstream.engine.aggregates.code_tables import codes_of
from fraudstream.engine.arena import FIELDS_MAX, NEVER
from fraudstream.engine.arrays import Float32Array, Int8Array, Int64Array, UInt32Array, UInt64Array
from fraudstream.engine.columns import Columns, time_ms
from fraudstream.engine.digest import digest_column
from fraudstream.engine.partition_state import EntityState
from fraudstream.engine.plan import LABELS

_LABEL_KEYS = frozenset(Label.__struct_fields__)


class Batch:
    """The `n` valid events of a batch: p payments and the labels, in the order of the log.

    `columns`: of the payments. `labels`: in order. `payment_at`, `label_at`: index of each payment and of each label
    among the events; int64, shapes (p,) and (labels,). `payment_of`: index of each event among the payments, -1 for a
    label; int64, shape (n,). `positions`: index of each event among all events of the call, invalid ones included;
    int64, shape (n,). The constructor takes `positions` of the payments, and each label with its position.
    """

    def __init__(self, columns: Columns, positions: Int64Array, labels: Sequence[tuple[int, Label]]) -> None:
        self.columns, self.labels = columns, [label for _, label in labels]
        self.n = columns.n + len(labels)
        self.payment_at: Int64Array = np.arange(columns.n)
        self.label_at: Int64Array = np.arange(columns.n, self.n)
        self.positions = positions
        if labels:
            unordered = np.concatenate([positions, np.array([position for position, _ in labels], np.int64)])
            order = np.argsort(unordered)
            self.positions = unordered[order]
            index = np.empty(self.n, np.int64)
            index[order] = np.arange(self.n)
            self.payment_at, self.label_at = index[: columns.n], index[columns.n :]
        self.payment_of: Int64Array = np.full(self.n, -1, np.int64)
        self.payment_of[self.payment_at] = np.arange(columns.n)
        self._label_event: UInt64Array = digest_column([label.event_id for label in self.labels], columns.digest_key)
        self._label_value: Int8Array = np.array([LABELS[label.label] for label in self.labels], np.int8)
        moments = [label.payment_occurred_at for label in self.labels]
        self._labelled_ms: Int64Array = np.array([time_ms(label.labelled_at) for label in self.labels], np.int64)
        self._label_t: Int64Array = np.array([NEVER if t is None else time_ms(t) for t in moments], np.int64)

    def events_of(self, entity: EntityState, status: Int8Array | None) -> kernel_types.Events:
        """The kernel's input for one entity; shapes and dtypes as in `kernel_types.Events`.

        `status`: of each event at the first entity, which alone finds repeats; int8, shape (n,). None for that entity.
        Other entities answer repeats but do not add them to their state; nor do they add late events, which may be
        repeats that the first entity no longer holds.
        """
        columns, plan = self.columns, entity.plan
        kind = np.zeros(self.n, np.int8)
        kind[self.label_at] = kernel_types.LABEL
        if status is not None:
            kind[kernel_types.repeats(status) | (status == kernel_types.LATE)] = kernel_types.ASK
        key = attrgetter(plan.entity.key)
        row = self._merged(entity.rows_of(list(map(key, columns.payments))), np.int64)
        if self.labels and plan.entity.key in _LABEL_KEYS:
            row[self.label_at] = entity.rows_of(list(map(key, self.labels)), add=False)
        elif self.labels:
            row[self.label_at] = -1
        t = self._merged(columns.occurred_at_ms, np.int64)
        t[self.label_at] = self._label_t
        event = self._merged(columns.event, np.uint64)
        event[self.label_at] = self._label_event
        label = np.zeros(self.n, np.int8)
        label[self.label_at] = self._label_value
        labelled_ms = np.zeros(self.n, np.int64)
        labelled_ms[self.label_at] = self._labelled_ms
        return kernel_types.Events(
            kind=kind,
            row=row,
            t=t,
            amount=self._merged(columns.amount_minor, np.int64),
            currency=self._merged(columns.currency_code, np.uint16),
            event=event,
            mask=self._merged(self._mask(entity), np.uint32),
            code=self._merged(self._code(entity), np.uint32),
            location=self._merged(self._location(entity), np.float32),
            label=label,
            labelled_ms=labelled_ms,
        )

    def keys(self, field: str) -> list[bytes]:
        """The record key of each event where `field` is the key; the account's where an event lacks the field."""
        key = attrgetter(field)
        of_payments = [(key(payment) or payment.account_id).encode() for payment in self.columns.payments]
        if not self.labels:
            return of_payments
        keys = [b""] * self.n
        for at, of_payment in zip(self.payment_at.tolist(), of_payments, strict=True):
            keys[at] = of_payment
        for at, label in zip(self.label_at.tolist(), self.labels, strict=True):
            keys[at] = (getattr(label, field, None) or label.account_id).encode()
        return keys

    def answers_for(self, entity: EntityState) -> kernel_types.Answers:
        """Arrays for the kernel's answers: every value missing, every status fresh. As `kernel_types.Answers`."""
        features = len(entity.plan.features)
        return kernel_types.Answers(
            value=np.full((features, self.n), np.nan),
            error=np.zeros((features, self.n), np.int8),
            status=np.zeros(self.n, np.int8),
            first_score=np.zeros(self.n, np.int32),
            first_verdict=np.zeros(self.n, np.int32),
        )

    def _merged(self, of_payments: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
        """Rows of payments as rows of events: first axis n; zeros for labels. `of_payments`: first axis p."""
        if not self.labels:
            return np.ascontiguousarray(of_payments, dtype)
        merged = np.zeros((self.n, *of_payments.shape[1:]), dtype)
        merged[self.payment_at] = of_payments
        return merged

    def _mask(self, entity: EntityState) -> UInt32Array:
        """The filters that each payment passes, one bit each: uint32, shape (p,)."""
        mask = np.zeros(self.columns.n, np.uint32)
        for bit, expression in enumerate(entity.plan.filters):
            mask |= expression.true(self.columns).astype(np.uint32) << np.uint32(bit)
        return mask

    def _code(self, entity: EntityState) -> UInt32Array:
        """Half digests of the text fields that features look at, 0 missing: uint32, shape (p, FIELDS_MAX)."""
        code = np.zeros((self.columns.n, FIELDS_MAX), np.uint32)
        for column, field in enumerate(entity.plan.fields):
            code[:, column] = codes_of(self.columns.column(field))
        return code

    def _location(self, entity: EntityState) -> Float32Array:
        """Latitude and longitude in degrees, NaN missing or unused: float32, shape (p, 2)."""
        if not entity.plan.uses_location:
            return np.full((self.columns.n, 2), np.nan, np.float32)
        return np.stack([self.columns.column("lat"), self.columns.column("lon")], axis=1).astype(np.float32)
