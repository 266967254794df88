"""A batch of payments and labels as each entity sees it: the kernel's events, in the order of the log."""

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
    """`payment_at`, `label_at`: where each payment and label stands among the events; `payment_of`: the reverse.
    `positions`: where each event stood among those that the batch was made of; int64, shape (n,)."""

    def __init__(self, columns: Columns, positions: Int64Array, labels: Sequence[tuple[int, Label]]) -> None:
        self.columns, self.labels = columns, [label for _, label in labels]
        self.n = columns.n + len(labels)
        self.payment_at: Int64Array = np.arange(columns.n)
        self.label_at: Int64Array = np.arange(columns.n, self.n)
        self.positions = positions
        if labels:
            stood = np.concatenate([positions, np.array([position for position, _ in labels], np.int64)])
            order = np.argsort(stood)
            self.positions = stood[order]
            place = np.empty(self.n, np.int64)
            place[order] = np.arange(self.n)
            self.payment_at, self.label_at = place[: columns.n], place[columns.n :]
        self.payment_of: Int64Array = np.full(self.n, -1, np.int64)
        self.payment_of[self.payment_at] = np.arange(columns.n)
        self._label_event: UInt64Array = digest_column([label.event_id for label in self.labels])
        self._label_value: Int8Array = np.array([LABELS[label.label] for label in self.labels], np.int8)
        moments = [label.payment_occurred_at for label in self.labels]
        self._label_t: Int64Array = np.array([NEVER if t is None else time_ms(t) for t in moments], np.int64)

    def events_of(self, entity: EntityState, status: Int8Array | None) -> kernel_types.Events:
        """The events for one entity. `status`: what became of each at the first entity, which alone finds repeats.

        No other entity remembers a repeat, nor what was late there, for it may be one; both are answered.
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
        )

    def keys(self, field: str) -> list[bytes]:
        """The key of each event where `field` is one: of what has none, the account's."""
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
        """Room for the answers: every value missing, every status fresh."""
        features = len(entity.plan.features)
        return kernel_types.Answers(
            value=np.full((features, self.n), np.nan),
            error=np.zeros((features, self.n), np.int8),
            status=np.zeros(self.n, np.int8),
            first_score=np.zeros(self.n, np.int32),
            first_verdict=np.zeros(self.n, np.int32),
        )

    def _merged(self, of_payments: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
        if not self.labels:
            return np.ascontiguousarray(of_payments, dtype)
        merged = np.zeros((self.n, *of_payments.shape[1:]), dtype)
        merged[self.payment_at] = of_payments
        return merged

    def _mask(self, entity: EntityState) -> UInt32Array:
        mask = np.zeros(self.columns.n, np.uint32)
        for bit, expression in enumerate(entity.plan.filters):
            mask |= expression.true(self.columns).astype(np.uint32) << np.uint32(bit)
        return mask

    def _code(self, entity: EntityState) -> UInt32Array:
        code = np.zeros((self.columns.n, FIELDS_MAX), np.uint32)
        for place, field in enumerate(entity.plan.fields):
            code[:, place] = codes_of(self.columns.column(field))
        return code

    def _location(self, entity: EntityState) -> Float32Array:
        if not entity.plan.uses_location:
            return np.full((self.columns.n, 2), np.nan, np.float32)
        return np.stack([self.columns.column("lat"), self.columns.column("lon")], axis=1).astype(np.float32)
