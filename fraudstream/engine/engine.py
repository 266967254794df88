"""One batch through the engine: columns, the state of each entity, rules and score, verdicts.

Stream, replay, rule tests and `explain` run the same code. In one process `judge` updates all entities and decides. In
a chain of stages each engine updates its own entity: all but the last `forward` the features found so far, and the last
one decides. Both take the same two steps:

    events ──update──► features of every entity ──decide──► rules, score, verdicts
                                                └─forward──► packed features for the next stage
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fraudstream.compiled.packed import Packed
from fraudstream.contracts.duration import UNITS_MS
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.contracts.record_signature import NOT_REQUIRED, RecordSignatures
from fraudstream.engine import kernel_types
from fraudstream.engine.arrays import BoolArray, Int64Array
from fraudstream.engine.batch import Batch, batch_of_events
from fraudstream.engine.columns import Rejection
from fraudstream.engine.deciding import Decider
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.entity_key import keys_of
from fraudstream.engine.entity_update import EntityInput, Updated, update_entities
from fraudstream.engine.forwarded_features import FeatureCodec, ForwardedFeatures
from fraudstream.engine.frame_columns import FrameColumns, FrameIndex
from fraudstream.engine.frame_layout import update_layout, verdict_layout
from fraudstream.engine.intake import Intake
from fraudstream.engine.label_plan import plan_labels
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.learned_score.scoring import new_score_state
from fraudstream.engine.ledger import Ledger
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.plan import plan_entity
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.verdict import Verdicts

TOO_FAR_AHEAD_MS = UNITS_MS["d"]


@dataclass(frozen=True, slots=True)
class ForwardedEvents:
    """The events that a stage forwards to the next one: `m` payments and labels in the order of the log.

    `positions`: index of each among the events of the call; int64, shape (m,). `keys`: of each, its record key for the
    next stage. `features`: of each, all features found so far, packed by `FeatureCodec`. `columns`: of the payments
    alone; `late`, `repeat`: of these, bool. `rejected`: events that are not forwarded. `labels`: how many of the m are
    labels, `labels_unmatched`: those whose payment the state does not hold.
    """

    columns: FrameColumns
    positions: Int64Array
    keys: Packed
    features: Packed
    late: BoolArray
    repeat: BoolArray
    rejected: list[Rejection]
    labels: int
    labels_unmatched: int


class Engine:
    """A rule set prepared to decide payments. It holds no state; each partition's is in its `PartitionState`.

    `stage`: the entity that this engine updates, in a chain of stages; None: all entities, in one process. `stages`:
    names of all stages, in order; the last one decides, and its name is part of alert ids. `too_far_ahead_ms`: how far
    event time may be ahead of publication. `digest_key`: of the digests that stand for identifiers. `signatures`: those
    that controls and labels must have. Raises `ValueError` for a stage that the catalogue does not have.
    """

    def __init__(
        self,
        rule_set: RuleSet,
        stage: str | None = None,
        too_far_ahead_ms: int = TOO_FAR_AHEAD_MS,
        digest_key: DigestKey = PUBLIC_KEY,
        signatures: RecordSignatures = NOT_REQUIRED,
    ) -> None:
        self.rule_set, self.stage, self.too_far_ahead_ms = rule_set, stage, too_far_ahead_ms
        self.signatures = signatures
        self.digest_key, self._key_fingerprint = digest_key, digest_key.fingerprint
        self._catalogue = rule_set.catalogue
        entities = self._catalogue.stages
        self._plans = tuple(plan_entity(self._catalogue, entity) for entity in entities)
        self.stages = tuple(entity.name for entity in entities)
        if stage is not None and stage not in self.stages:
            raise ValueError(f"no stage '{stage}': this catalogue has the stages {', '.join(self.stages)}.")
        first = 0 if stage is None else self.stages.index(stage)
        end = len(entities) if stage is None else first + 1
        self._own = self._plans[first:end]
        score = rule_set.base_score
        self._learns = score if isinstance(score, EvidenceScorer) and score.learns else None
        held_bytes = 0 if self._learns is None else self._learns.held_bytes
        self._labels = plan_labels(self._catalogue, self._own, self._plans[end:], held_bytes)
        self.is_first, self.decides = first == 0, end == len(entities)
        self.next_stage = None if self.decides else self.stages[end]
        self.key = entities[first].key  # of the records in this stage's log
        self._next_key = None if self.decides else entities[end].key
        self.codec_in = FeatureCodec(self._plans[:first], digest_key, rule_set.currencies)
        self.codec_out = FeatureCodec(self._plans[:end], digest_key, rule_set.currencies)
        self.index = self._frame_index(end)
        self._inputs = [
            EntityInput(plan, bit, sum(len(before.features) for before in self._plans[:bit]), self.index)
            for bit, plan in enumerate(self._plans[first:end], first)
        ]
        self.intake = Intake(self.index, too_far_ahead_ms, self.is_first, self.codec_in, signatures.labels)
        self._decider = Decider(rule_set, self._plans, self.stages[-1], self.index) if self.decides else None

    @property
    def any_key_counts(self) -> bool:
        """Whether a verdict may depend on records of other keys than the payment's: on all of the partition, by whose
        watermark labels expire."""
        several = self.stage is None and len(self.stages) > 1
        return self.decides and (several or self._learns is not None or self._labels is not None)

    def _frame_index(self, end: int) -> FrameIndex:
        """The layout of this stage's frames. `end`: number of the stages up to this one."""
        if self._next_key is None:
            layout = verdict_layout(self._plans, self.rule_set)
        else:
            layout = update_layout(self._plans[:end], self._next_key, self._catalogue.payment_symbols)
        currencies = self.rule_set.currencies
        return FrameIndex(layout, self._catalogue.symbols, self._catalogue.attributes, self.digest_key, currencies)

    def of_stage(self, stage: str) -> Engine:
        """The engine of one stage, under the same rule set. Raises `ValueError`."""
        return Engine(self.rule_set, stage, self.too_far_ahead_ms, self.digest_key, self.signatures)

    def under(self, rule_set: RuleSet) -> Engine:
        """The engine of another rule set, for the same stage. Raises `ValueError`."""
        return Engine(rule_set, self.stage, self.too_far_ahead_ms, self.digest_key, self.signatures)

    def keyed(self, digest_key: DigestKey) -> Engine:
        """The same engine under another digest key."""
        return Engine(self.rule_set, self.stage, self.too_far_ahead_ms, digest_key, self.signatures)

    def requiring(self, signatures: RecordSignatures) -> Engine:
        """The same engine, which refuses controls and labels without these signatures."""
        return Engine(self.rule_set, self.stage, self.too_far_ahead_ms, self.digest_key, signatures)

    def new_state(self) -> PartitionState:
        """The state of a partition of which no record was applied yet."""
        ledger = Ledger() if self.decides and len(self._plans) > 1 else None
        learned = new_score_state(self._learns) if self.decides and self._learns is not None else None
        return PartitionState(self._own, self.rule_set.digest, self._key_fingerprint, ledger, self._labels, learned)

    def judge(
        self,
        events: Sequence[Payment | Label],
        state: PartitionState,
        published_at_ms: Sequence[int] | None = None,
        forwarded: ForwardedFeatures | None = None,
    ) -> Verdicts:
        """Apply events to the state, in order, and decide each payment by the events before it.

        The result does not depend on how events are split into calls. `published_at_ms`: when each event's record was
        published, ms since the epoch, if known. `forwarded`: features of each event from earlier stages; None for the
        first stage. Invalid events leave the state unchanged; they are in `Verdicts.rejected`.
        """
        batch = self._batch(events, published_at_ms)
        return self.decide(batch, state, None if forwarded is None else forwarded.at(batch.positions))

    def decide(self, batch: Batch, state: PartitionState, forwarded: ForwardedFeatures | None = None) -> Verdicts:
        """As `judge`, of events that are a batch already. `forwarded`: of its events."""
        assert self._decider is not None, f"the stage '{self.stage}' does not decide"
        return self._decider.decide(self._update(batch, state, forwarded), state)

    def forward(
        self,
        events: Sequence[Payment | Label],
        state: PartitionState,
        published_at_ms: Sequence[int],
        forwarded: ForwardedFeatures | None = None,
    ) -> ForwardedEvents:
        """As `judge`, in a stage before the last: returns the events for the next stage, in order."""
        batch = self._batch(events, published_at_ms)
        before = None if forwarded is None else forwarded.at(batch.positions)
        arrived = np.asarray(published_at_ms, np.int64)[batch.positions] if before is None else before.arrived_at_ms
        return self.forward_batch(batch, state, arrived, before)

    def forward_batch(
        self, batch: Batch, state: PartitionState, arrived_at_ms: Int64Array, forwarded: ForwardedFeatures | None = None
    ) -> ForwardedEvents:
        """As `forward`, of events that are a batch already. `arrived_at_ms`: of its events, when each arrived in the
        first stage's log; int64. `forwarded`: of its events."""
        assert self._next_key is not None, "the last stage decides"
        updated = self._update(batch, state, forwarded)
        status = updated.status.copy()
        status[batch.label_at] = updated.label_status
        features = ForwardedFeatures(
            arrived_at_ms,
            updated.since_ms,
            status,
            updated.unmatched,
            batch.of_events(batch.columns.frame.number[: len(updated.error)], np.nan),
            batch.of_events(updated.error),
        )
        of_payments = batch.of_payments(status)
        return ForwardedEvents(
            columns=batch.columns,
            positions=batch.positions,
            keys=self._next_keys_of(updated, state),
            features=self.codec_out.pack(features),
            late=of_payments == kernel_types.LATE,
            repeat=kernel_types.repeats(of_payments),
            rejected=batch.rejected,
            labels=len(batch.labels),
            labels_unmatched=int(np.count_nonzero(updated.label_status == kernel_types.UNMATCHED)),
        )

    def _next_keys_of(self, updated: Updated, state: PartitionState) -> Packed:
        """The record key of each event in the next stage's log: of a label, that of its payment where it is known."""
        assert self._next_key is not None, "the last stage decides"
        batch, index = updated.batch, state.labels
        if index is None:
            return batch.keys(self._next_key)
        index.note_next_keys(batch.of_payments(updated.found.entry), keys_of(batch.columns, self._next_key))
        return batch.keys(self._next_key, index.next_keys_of(updated.found.entry[batch.label_at]))

    def _batch(self, events: Sequence[Payment | Label], published_at_ms: Sequence[int] | None) -> Batch:
        """The valid events as a batch; its rejections' positions are indices of `events`."""
        published = published_at_ms if self.is_first else None  # the first stage has checked the times
        return batch_of_events(events, published, self.too_far_ahead_ms, self.index)

    def _update(self, batch: Batch, state: PartitionState, forwarded: ForwardedFeatures | None) -> Updated:
        """Compute the features of this stage's entities and add the events to their state."""
        assert (forwarded is None) == self.is_first, "every stage but the first receives forwarded features"
        assert state.key_fingerprint == self._key_fingerprint, "the state's digests have another key"
        return update_entities(self._inputs, state, batch, forwarded)
