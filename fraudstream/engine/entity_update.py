"""One batch through the state of each entity: the features of its payments, and the state after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.engine.arena import FIELDS_MAX, NEVER
from fraudstream.engine.arrays import (
    Int8Array,
    Int64Array,
    UInt64Array,
)
from fraudstream.engine.batch import Batch
from fraudstream.engine.entity_key import keys_of
from fraudstream.engine.entity_state import EntityState
from fraudstream.engine.expression import Array
from fraudstream.engine.first_verdict import index_of, is_reference, reference_to
from fraudstream.engine.forwarded_features import ForwardedFeatures
from fraudstream.engine.frame_columns import FrameIndex
from fraudstream.engine.kernel_events import add_unmatched, write_events
from fraudstream.engine.kernel_types import FRESH, LABEL, NAMED_LABEL, UNMATCHED, Answers, Events
from fraudstream.engine.key_index import NO_ROW
from fraudstream.engine.label_entries import LOST, FoundLabels
from fraudstream.engine.label_index import NO_FOUND, LabelIndex
from fraudstream.engine.ledger import FirstVerdicts
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.program import filter_program


class EntityInput:
    """How the kernel's input for one entity is read from frames. `bit`: of the entity in `Verdicts.unmatched`.
    `features`: rows of its features in `Frame.number`."""

    def __init__(self, plan: EntityPlan, bit: int, first_feature: int, index: FrameIndex) -> None:
        self.plan, self.bit = plan, np.uint64(bit)
        self.features = slice(first_feature, first_feature + len(plan.features))
        self.codes = np.array([index.texts[field] for field in plan.fields], np.int64)
        self.lat, self.lon = (index.numbers[name] if plan.uses_location else -1 for name in ("lat", "lon"))
        self._filters = filter_program(plan.filters, index.layout, index.digest_key)
        self._events, self.add_unmatched = Direct(write_events), Direct(add_unmatched)

    def events_of(
        self, batch: Batch, row: Int64Array, status: Int8Array | None, error: Int8Array
    ) -> tuple[Events, Answers]:
        """The kernel's input for the payments of a batch alone, and arrays for its answers, all missing.

        `row`: of the payments in the entity's state; int64. `status`: as of `update_entities`. `error`: int8, shape
        (features of all entities, n).
        """
        frame, n = batch.columns.frame, batch.columns.n
        passed = self._filters.run(frame, batch.columns).true[0] if self.plan.filters else _NO_FILTERS
        kind, mask = np.empty(n, np.int8), np.empty(n, np.uint32)
        code, location = np.empty((n, FIELDS_MAX), np.uint32), np.empty((n, 2), np.float32)
        answers = Answers(
            value=frame.number[self.features],
            error=error[self.features],
            status=np.empty(n, np.int8),
            first_score=np.empty(n, np.int32),
            first_verdict=np.empty(n, np.int32),
            unmatched=np.empty(n, np.bool_),
        )
        known = answers.status if status is None else status
        self._events(
            frame, self.codes, self.lat, self.lon, known, status is None, passed, kind, mask, code, location, answers
        )
        events = Events(
            kind=kind,
            row=row,
            t=frame.occurred_at_ms,
            amount=frame.amount_minor,
            currency=frame.currency,
            event=frame.digest[0],
            mask=mask,
            code=code,
            location=location,
            relation=frame.relation,
            original=frame.original,
            published=frame.published,
            label=_NO_LABELS,
            labelled_ms=_NO_TIMES,
        )
        return events, answers


@dataclass(frozen=True, slots=True)
class Updated:
    """A batch of n events after the state was updated, before anything is decided. The features of its payments are in
    its frame.

    `error`: how each feature was answered, as in `kernel_types.Answers`; int8, shape (features, payments). `status`:
    what each event is, `kernel_types.FRESH` and so on; int8, shape (n,). `unmatched`: as in `Verdicts`; uint64, shape
    (n,). `since_ms`: as in `ForwardedFeatures`; int64, shape (n,). `label_status`: how each label's payment was found,
    `kernel_types.FRESH`, `NAMED` or `UNMATCHED`; int8, shape (labels,). `found`: what the events are in the label
    index; of no events where none is kept. `first`, `row`: of this stage's first entity, the answers and the row of
    each event; int64, shape (n,).
    """

    batch: Batch
    error: Int8Array
    status: Int8Array
    unmatched: UInt64Array
    since_ms: Int64Array
    label_status: Int8Array
    found: FoundLabels
    first: Answers
    row: Int64Array

    def first_verdicts(self) -> FirstVerdicts:
        """The first verdicts of the payments that are repeats, as the slots of the first entity hold them.

        The kernel's references are indices of events; here they become indices of payments (see `first_verdict`).
        """
        batch, score = self.batch, self.batch.of_payments(self.first.first_score)
        if batch.labels:
            references = is_reference(score)
            score[references] = reference_to(batch.payment_of[index_of(score[references])])
        return FirstVerdicts(score, batch.of_payments(self.first.first_verdict))


def update_entities(
    inputs: Sequence[EntityInput], state: PartitionState, batch: Batch, forwarded: ForwardedFeatures | None
) -> Updated:
    """Compute the features of the state's entities and add the events to them, one entity after another.

    `inputs`: of the state's entities. `forwarded`: of the batch's events, from earlier stages; None in the first.
    The first entity of all alone finds repeats: others answer them, but do not add them to their state; nor do they add
    late events, which may be repeats that the first one no longer holds.
    """
    columns, n = batch.columns, batch.n
    error = np.empty((inputs[-1].features.stop, columns.n), np.int8)
    label_status = np.full(len(batch.labels), UNMATCHED, np.int8)
    unmatched, since_ms = np.zeros(n, np.uint64), np.empty(n, np.int64)
    since_ms.fill(NEVER if state.since_ms is None else state.since_ms)
    status: Int8Array | None = None
    if forwarded is not None:
        since_ms, unmatched = np.maximum(since_ms, forwarded.since_ms), forwarded.unmatched.copy()
        earlier = len(forwarded.value)
        columns.frame.number[:earlier] = batch.of_payments(forwarded.value)
        error[:earlier] = batch.of_payments(forwarded.error)
        status = forwarded.status
        label_status = status[batch.label_at]
    labels = state.labels
    found, lost_ms = NO_FOUND, NEVER
    if labels is not None:
        found, lost_ms = labels.begin_batch(n), int(labels.arrays.top[LOST])
    shared = _columns_with_labels(batch) if batch.labels else {}
    first: tuple[Answers, Int64Array] | None = None
    for entity, of_entity in zip(state.entities, inputs, strict=True):
        row = entity.rows_of(keys_of(columns, entity.plan.entity.key))
        if labels is not None:
            labels.begin_pass(state.watermark_ms, lost_ms)
        if batch.labels:
            row, answers = _update_with_labels(entity, of_entity, batch, shared, row, status, error, labels, found)
            of_labels = answers.status[batch.label_at]
            label_status = np.where(label_status == UNMATCHED, of_labels, label_status)
        else:
            events, answers = of_entity.events_of(batch, row, status, error)
            entity.update(events, answers, labels, found)
        of_entity.add_unmatched(answers.unmatched, of_entity.bit, unmatched)
        status = answers.status if status is None else status
        first = (answers, row) if first is None else first
    assert status is not None, "a stage has an entity"
    assert first is not None, "a stage has an entity"
    if columns.n:
        state.watermark_ms = max(state.watermark_ms, int(columns.occurred_at_ms.max()))
    if labels is not None:
        labels.end_batch()
    return Updated(batch, error, status, unmatched, since_ms, label_status, found, *first)


def _update_with_labels(
    entity: EntityState,
    of_entity: EntityInput,
    batch: Batch,
    shared: Mapping[str, Array],
    row: Int64Array,
    status: Int8Array | None,
    error: Int8Array,
    labels_index: LabelIndex | None,
    found: FoundLabels,
) -> tuple[Int64Array, Answers]:
    """As `EntityInput.events_of` and `EntityState.update`, of a batch with labels: the columns of payments become
    columns of events. Returns the row of each event and the answers. `shared`: of `_columns_with_labels`. `row`: of
    each payment."""
    of_payments = None if status is None else batch.of_payments(status)
    events, answers = of_entity.events_of(batch, row, of_payments, error)
    at, named = batch.label_at, batch.label_keys(entity.plan.entity.key)
    own = {name: _of_events(batch, getattr(events, name)) for name in ("kind", "row", "mask", "code", "location")}
    merged = events._replace(**shared, **own)
    merged.kind[at] = LABEL if status is None else np.where(status[at] == FRESH, LABEL, NAMED_LABEL)
    merged.row[at] = entity.rows_of(named, add=False) if named.length.any() else NO_ROW
    of_events = Answers(
        np.full((len(answers.value), batch.n), np.nan),
        np.zeros((len(answers.value), batch.n), np.int8),
        np.zeros(batch.n, np.int8),
        np.zeros(batch.n, np.int32),
        np.zeros(batch.n, np.int32),
        np.zeros(batch.n, np.bool_),
    )
    entity.update(merged, of_events, labels_index, found)
    answers.value[:], answers.error[:] = batch.of_payments(of_events.value), batch.of_payments(of_events.error)
    return merged.row, of_events


def _columns_with_labels(batch: Batch) -> dict[str, Array]:
    """The columns of `Events` that are the same for each entity, of payments and labels: shape (n,)."""
    frame, labels, at = batch.columns.frame, batch.label_columns, batch.label_at
    shared = {
        "t": _of_events(batch, frame.occurred_at_ms),
        "amount": _of_events(batch, frame.amount_minor),
        "currency": _of_events(batch, frame.currency),
        "event": _of_events(batch, frame.digest[0]),
        "relation": _of_events(batch, frame.relation),
        "original": _of_events(batch, frame.original),
        "published": _of_events(batch, frame.published),
        "label": np.zeros(batch.n, np.int8),
        "labelled_ms": np.zeros(batch.n, np.int64),
    }
    for name, of_labels in zip(("event", "label", "labelled_ms", "t"), labels, strict=True):
        shared[name][at] = of_labels
    return shared


def _of_events(batch: Batch, of_payments: Array) -> Array:
    """A column of payments as one of events, 0 for labels; first axis n."""
    return np.ascontiguousarray(batch.of_events(of_payments.T).T)


_NO_FILTERS: UInt64Array = np.zeros(0, np.uint64)
_NO_LABELS: Int8Array = np.zeros(0, np.int8)
_NO_TIMES: Int64Array = np.zeros(0, np.int64)
