"""One batch through the engine: columns, the state of each entity, rules and score, verdicts.

Stream, replay, rule tests and `explain` run the same code. In one process `judge` updates all entities and decides. In
a chain of stages each engine updates its own entity: all but the last `forward` the features found so far, and the last
one decides. Both take the same two steps:

    events ──_update──► features of every entity ──_decide──► rules, score, verdicts
                                                 └─forward──► packed features for the next stage
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.contracts.fields import Outcome
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine import kernel, kernel_types
from fraudstream.engine.aggregates.code_tables import digests_of_codes
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array, UInt64Array
from fraudstream.engine.batch import Batch
from fraudstream.engine.catalogue import Derived
from fraudstream.engine.columns import Columns, Rejection, read_columns
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.explanation import Explainer
from fraudstream.engine.expression import Array, Type, ValueList
from fraudstream.engine.first_verdict import answer_repeats, index_of, is_held, is_reference, reference_to
from fraudstream.engine.forwarded_features import FeatureCodec, ForwardedFeatures
from fraudstream.engine.label_times import check_labels
from fraudstream.engine.ledger import FirstVerdicts, Ledger
from fraudstream.engine.lists import Lists
from fraudstream.engine.partition_state import Finding, PartitionState
from fraudstream.engine.plan import plan_entity
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX
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

    columns: Columns
    positions: Int64Array
    keys: list[bytes]
    features: list[bytes]
    late: BoolArray
    repeat: BoolArray
    rejected: list[Rejection]
    labels: int
    labels_unmatched: int


@dataclass(frozen=True, slots=True)
class _Updated:
    """A batch of n events after the state was updated, before anything is decided.

    `value`, `error`: one array for each entity, and first one for all earlier stages; shape (features, n), dtypes as in
    `kernel_types.Answers`. `status`: what each event is, `kernel_types.FRESH` and so on; int8, shape (n,). `unmatched`:
    as in `Verdicts`; uint64, shape (n,). `since_ms`: as in `ForwardedFeatures`; int64, shape (n,). `matched`: the
    labels whose payment was found; bool, shape (labels,). `first`, `first_events`: answers and events of this stage's
    first entity.
    """

    batch: Batch
    rejected: list[Rejection]
    value: list[Float64Array]
    error: list[Int8Array]
    status: Int8Array
    unmatched: UInt64Array
    since_ms: Int64Array
    matched: BoolArray
    first: kernel_types.Answers
    first_events: kernel_types.Events

    def first_verdicts(self) -> FirstVerdicts:
        """The first verdicts of the payments that are repeats, as the slots of the first entity hold them.

        The kernel's references are indices of events; here they become indices of payments (see `first_verdict`).
        """
        score = self.first.first_score[self.batch.payment_at]
        references = is_reference(score)
        score[references] = reference_to(self.batch.payment_of[index_of(score[references])])
        return FirstVerdicts(score, self.first.first_verdict[self.batch.payment_at])


class Engine:
    """A rule set prepared to decide payments. It holds no state; each partition's is in its `PartitionState`.

    `stage`: the entity that this engine updates, in a chain of stages; None: all entities, in one process. `stages`:
    names of all stages, in order; the last one decides, and its name is part of alert ids. `too_far_ahead_ms`: how far
    event time may be ahead of publication. `digest_key`: of the digests that stand for identifiers. Raises `ValueError`
    for a stage that the catalogue does not have.
    """

    def __init__(
        self,
        rule_set: RuleSet,
        stage: str | None = None,
        too_far_ahead_ms: int = TOO_FAR_AHEAD_MS,
        digest_key: DigestKey = PUBLIC_KEY,
    ) -> None:
        self.rule_set, self.stage, self.too_far_ahead_ms = rule_set, stage, too_far_ahead_ms
        self.digest_key = digest_key
        self._catalogue = rule_set.catalogue
        entities = self._catalogue.stages
        self._plans = tuple(plan_entity(self._catalogue, entity) for entity in entities)
        self._explainer = Explainer(rule_set, self._plans)
        self._symbols = self._catalogue.symbols
        self._attributes = self._catalogue.attributes
        self.stages = tuple(entity.name for entity in entities)
        if stage is not None and stage not in self.stages:
            raise ValueError(f"no stage '{stage}': this catalogue has the stages {', '.join(self.stages)}.")
        first = 0 if stage is None else self.stages.index(stage)
        end = len(entities) if stage is None else first + 1
        self._own = self._plans[first:end]
        self.is_first, self.decides = first == 0, end == len(entities)
        self.next_stage = None if self.decides else self.stages[end]
        self.key = entities[first].key  # of the records in this stage's log
        self._next_key = None if self.decides else entities[end].key
        self.codec_in = FeatureCodec(self._plans[:first], digest_key)
        self.codec_out = FeatureCodec(self._plans[:end], digest_key)

    def of_stage(self, stage: str) -> Engine:
        """The engine of one stage, under the same rule set. Raises `ValueError`."""
        return Engine(self.rule_set, stage, self.too_far_ahead_ms, self.digest_key)

    def under(self, rule_set: RuleSet) -> Engine:
        """The engine of another rule set, for the same stage. Raises `ValueError`."""
        return Engine(rule_set, self.stage, self.too_far_ahead_ms, self.digest_key)

    def keyed(self, digest_key: DigestKey) -> Engine:
        """The same engine under another digest key."""
        return Engine(self.rule_set, self.stage, self.too_far_ahead_ms, digest_key)

    def new_state(self) -> PartitionState:
        """The state of a partition of which no record was applied yet."""
        ledger = Ledger() if self.decides and len(self._plans) > 1 else None
        return PartitionState(self._own, self.rule_set.digest, self.digest_key.fingerprint, ledger)

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
        assert self.decides, f"the stage '{self.stage}' does not decide"
        updated = self._update(events, state, published_at_ms, forwarded)
        return self._decide(updated, state)

    def forward(
        self,
        events: Sequence[Payment | Label],
        state: PartitionState,
        published_at_ms: Sequence[int],
        forwarded: ForwardedFeatures | None = None,
    ) -> ForwardedEvents:
        """As `judge`, in a stage before the last: returns the events for the next stage, in order."""
        assert self._next_key is not None, "the last stage decides"
        updated = self._update(events, state, published_at_ms, forwarded)
        batch = updated.batch
        arrived = np.asarray(published_at_ms, np.int64) if forwarded is None else forwarded.arrived_at_ms
        status = updated.status.copy()
        status[batch.label_at] = np.where(updated.matched, kernel_types.FRESH, kernel_types.UNMATCHED)
        value, error = np.concatenate(updated.value), np.concatenate(updated.error)
        features = ForwardedFeatures(
            arrived[batch.positions], updated.since_ms, status, updated.unmatched, value, error
        )
        of_payments = status[batch.payment_at]
        return ForwardedEvents(
            columns=batch.columns,
            positions=batch.positions,
            keys=batch.keys(self._next_key),
            features=self.codec_out.pack(features),
            late=of_payments == kernel_types.LATE,
            repeat=kernel_types.repeats(of_payments),
            rejected=updated.rejected,
            labels=len(batch.labels),
            labels_unmatched=len(batch.labels) - int(updated.matched.sum()),
        )

    def _update(
        self,
        events: Sequence[Payment | Label],
        state: PartitionState,
        published_at_ms: Sequence[int] | None,
        forwarded: ForwardedFeatures | None,
    ) -> _Updated:
        """Compute the features of this stage's entities and add the events to their state, one entity after another."""
        assert (forwarded is None) == self.is_first, "every stage but the first receives forwarded features"
        assert state.key_fingerprint == self.digest_key.fingerprint, "the state's digests have another key"
        batch, rejected = self._batch(events, published_at_ms if forwarded is None else None)
        value: list[Float64Array] = []
        error: list[Int8Array] = []
        status: Int8Array | None = None
        matched = np.zeros(len(batch.labels), np.bool_)
        unmatched = np.zeros(batch.n, np.uint64)
        since_ms = np.full(batch.n, NEVER if state.since_ms is None else state.since_ms, np.int64)
        if forwarded is not None:
            before = forwarded.at(batch.positions)
            since_ms = np.maximum(since_ms, before.since_ms)
            value, error, status = [before.value], [before.error], before.status
            unmatched |= before.unmatched
            matched = status[batch.label_at] == kernel_types.FRESH
        asked: list[tuple[kernel_types.Events, kernel_types.Answers]] = []
        for entity in state.entities:
            kernel_events, answers = batch.events_of(entity, status), batch.answers_for(entity)
            entity.update(kernel_events, answers)
            found = (kernel_events.row >= 0) & (answers.status != kernel_types.UNMATCHED)
            matched |= found[batch.label_at]
            unmatched |= answers.unmatched.astype(np.uint64) << np.uint64(self.stages.index(entity.plan.entity.name))
            value.append(answers.value)
            error.append(answers.error)
            asked.append((kernel_events, answers))
            status = answers.status if status is None else status
        assert status is not None, "a stage has an entity"
        if batch.columns.n:
            state.watermark_ms = max(state.watermark_ms, int(batch.columns.occurred_at_ms.max()))
        first_events, first = asked[0]
        return _Updated(batch, rejected, value, error, status, unmatched, since_ms, matched, first, first_events)

    def _batch(
        self, events: Sequence[Payment | Label], published_at_ms: Sequence[int] | None
    ) -> tuple[Batch, list[Rejection]]:
        """The valid events as a batch, and the rejections of the others; their positions are indices of `events`."""
        at = np.array([i for i, event in enumerate(events) if type(event) is not Label], np.int64)
        payments = [event for event in events if not isinstance(event, Label)]
        labels = [(i, event) for i, event in enumerate(events) if type(event) is Label] if len(at) < len(events) else []
        published = None if published_at_ms is None else np.asarray(published_at_ms, np.int64)[at]
        columns, kept, rejected = read_columns(
            payments, published, self.too_far_ahead_ms, self._attributes, self.digest_key
        )
        rejected = [rejection._replace(position=int(at[rejection.position])) for rejection in rejected]
        if labels:
            labels, refused = check_labels(labels, published_at_ms, self.too_far_ahead_ms)
            rejected = sorted(rejected + refused)
        return Batch(columns, at[kept], labels), rejected

    def _decide(self, updated: _Updated, state: PartitionState) -> Verdicts:
        """Evaluate rules and score, and record first verdicts.

        A repeat fires no rule and gets the first verdict of the payment that it repeats. A repeat whose first verdict
        is no longer held is decided as a late payment.
        """
        batch, columns = updated.batch, updated.batch.columns
        status = updated.status[batch.payment_at]
        first = state.ledger.enter(columns.event, status) if state.ledger is not None else updated.first_verdicts()
        seen_before = kernel_types.repeats(status)
        repeat = seen_before & is_held(first.score)
        features, errors = self._features(updated, repeat)
        self._add_columns(columns, features, state)
        fired = self._fired(columns, repeat)
        scores = self.rule_set.scorer.score(columns)
        score_points = scores.points
        in_range = (score_points >= 0) & (score_points <= POINTS_MAX)
        assert in_range.all(), f"scores lie outside 0 to {POINTS_MAX}: {score_points[~in_range]}"
        score_points[repeat] = 0
        finding = self._findings(state, fired, score_points)
        answer_repeats(first, repeat, score_points, finding)
        fresh = status == kernel_types.FRESH
        self._record_first_verdicts(updated, state, fresh, score_points[fresh], finding[fresh].astype(np.int32))
        alerting = np.array([found.outcome != "allow" for found in state.findings], np.bool_)
        return Verdicts(
            rule_set=self.rule_set,
            stage=self.stages[-1],
            plans=self._plans,
            explainer=self._explainer,
            columns=columns,
            positions=batch.positions[batch.payment_at],
            late=((status == kernel_types.LATE) | seen_before) & ~repeat,
            repeat=repeat,
            altered=repeat & (status == kernel_types.ALTERED),
            unmatched=updated.unmatched[batch.payment_at],
            score_points=score_points,
            scores=scores,
            finding=finding,
            findings=state.findings,
            fired=fired,
            alerted=alerting[finding] & ~repeat if columns.n else np.zeros(0, np.bool_),
            features=features,
            errors=errors,
            rejected=updated.rejected,
            labels=len(batch.labels),
            labels_unmatched=len(batch.labels) - int(updated.matched.sum()),
            since_ms=updated.since_ms[batch.payment_at],
        )

    def _features(self, updated: _Updated, repeat: BoolArray) -> tuple[dict[str, Float64Array], dict[str, Int8Array]]:
        """Values and errors by feature, shape (payments,), as in `Verdicts`; those of repeats are missing."""
        at, names = updated.batch.payment_at, iter(self.codec_out.features)
        features: dict[str, Float64Array] = {}
        errors: dict[str, Int8Array] = {}
        for of_entity, how in zip(updated.value, updated.error, strict=True):
            for value, error in zip(of_entity, how, strict=True):
                name = next(names)
                features[name], errors[name] = value[at], error[at]
        if repeat.any():
            for name in features:
                features[name][repeat], errors[name][repeat] = np.nan, kernel_types.EXACT
        return features, errors

    def _add_columns(self, columns: Columns, features: dict[str, Float64Array], state: PartitionState) -> None:
        """Make features, derived features (which are added to `features`) and lists readable by expressions."""
        for name, value in features.items():
            columns.add(name, _column_of(self._symbols[name], value, self.digest_key))
        for derived in self._catalogue.derived:
            self._derive(derived, columns, features)
        for name, declared in self.rule_set.lists.items():
            columns.add(f"lists.{name}", _listed_until_ms(name, declared, columns, state.lists))

    def _fired(self, columns: Columns, repeat: BoolArray) -> BoolArray:
        """The rules whose condition is true for each payment: bool, shape (payments, rules); none for a repeat."""
        fired = np.zeros((columns.n, len(self.rule_set.rules)), np.bool_)
        for number, rule in enumerate(self.rule_set.rules):
            fired[:, number] = rule.when.true(columns)
        fired[repeat] = False
        return fired

    def _record_first_verdicts(
        self, updated: _Updated, state: PartitionState, fresh: BoolArray, score: Int32Array, finding: Int32Array
    ) -> None:
        """Keep the verdicts of the fresh payments, in order, to answer their repeats: in the ledger or in the slots.

        `fresh`: bool, shape (payments,). `score`: ten-thousandths, and `finding`: index into the state's findings; both
        int32, shape (fresh payments,).
        """
        if state.ledger is not None:
            state.ledger.judged(score, finding)
            return
        account, row = state.entities[0].arena, updated.first_events.row[updated.batch.payment_at][fresh]
        event = updated.batch.columns.event[fresh]
        kernel.remember_verdicts(account.rows, account.slots, account.tops, row, event, score, finding)

    def _findings(self, state: PartitionState, fired: BoolArray, score_points: Int32Array) -> Int64Array:
        """The finding of each payment, as an index into the state's findings: int64, shape (payments,).

        `fired`: bool, shape (payments, rules). `score_points`: ten-thousandths; int32, shape (payments,). Few
        combinations of rules occur, so each is looked up once a batch.
        """
        rule_set = self.rule_set
        if not len(fired):
            return np.zeros(0, np.int64)
        plain = state.number_of(Finding(rule_set.digest, "allow", (), ()))
        finding = np.full(len(fired), plain, np.int64)
        above = score_points >= rule_set.scorer.threshold_points
        notable = np.flatnonzero(fired.any(axis=1) | above)
        seen: dict[bytes, int] = {}
        kinds = np.concatenate([fired[notable], above[notable, None]], axis=1)
        for row, kind in zip(notable.tolist(), kinds, strict=True):
            number = seen.get(kind.tobytes())
            if number is None:
                number = seen[kind.tobytes()] = state.number_of(self._found(fired[row], bool(above[row])))
            finding[row] = number
        return finding

    def _found(self, fired: BoolArray, above: bool) -> Finding:
        """The finding of one payment. `fired`: bool, shape (rules,). `above`: its score reaches the threshold."""
        rules = [self.rule_set.rules[number] for number in np.flatnonzero(fired).tolist()]
        live = [rule for rule in rules if rule.status == "live"]
        outcome: Outcome = "review" if live or above else "allow"
        if any(rule.outcome == "block" for rule in live):
            outcome = "block"
        shadow = tuple(rule.name for rule in rules if rule.status == "shadow")
        return Finding(self.rule_set.digest, outcome, tuple(rule.name for rule in live), shadow)

    def _derive(self, derived: Derived, columns: Columns, features: dict[str, Float64Array]) -> None:
        """Evaluate a derived feature for all payments, into `columns` and `features`."""
        if derived.type is Type.BOOL:
            true, known = derived.expression.truth(columns)
            columns.add(derived.name, np.where(known, true, -1).astype(np.int8))
            features[derived.name] = np.where(known, true.astype(np.float64), np.nan)
        else:
            features[derived.name] = derived.expression.values(columns)
            columns.add(derived.name, features[derived.name])


def _listed_until_ms(name: str, declared: ValueList, columns: Columns, lists: Lists) -> Int64Array:
    """Until when each payment's value is on a list, as `Lists.until_ms`: int64, shape (n,)."""
    if not lists.any_on(name):
        return np.zeros(columns.n, np.int64)  # nothing to look up
    if declared.holds_networks:
        return lists.until_ms_of_networks(name, columns.distinct_texts(declared.field), columns.occurred_at_ms)
    return lists.until_ms(name, columns.texts(declared.field), columns.occurred_at_ms)


def _column_of(type_: Type, value: Float64Array, digest_key: DigestKey) -> Array:
    """A feature's answers, shape (n,), as `ColumnSource` gives a column of its type."""
    if type_ is Type.BOOL:
        return np.where(np.isnan(value), -1, value).astype(np.int8)
    return digests_of_codes(value, digest_key) if type_ is Type.TEXT else value
