"""One batch through the engine: columns, each entity's past, rules and score, verdicts. The same code streams, replays
and tests rules.

In one process `judge` walks all entities. In a chain of stages each engine walks its own: all but the last `forward`
what is carried so far, and the last one judges. Both are the same steps: walk one entity after the other, then decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fraudstream.contracts.fields import Outcome
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine import kernel, kernel_types, ledger
from fraudstream.engine.aggregates.code_tables import digests_of_codes
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array
from fraudstream.engine.batch import Batch
from fraudstream.engine.catalogue import Derived
from fraudstream.engine.columns import Columns, Rejection, read_columns
from fraudstream.engine.duration import UNITS_MS
from fraudstream.engine.expression import Array, Type
from fraudstream.engine.forwarded_features import FeatureCodec, ForwardedFeatures
from fraudstream.engine.ledger import FirstVerdicts, Ledger
from fraudstream.engine.partition_state import Finding, PartitionState
from fraudstream.engine.plan import plan_entity
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.verdict import Verdicts

TOO_FAR_AHEAD_MS = UNITS_MS["d"]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What a stage that does not decide hands on. `positions`: where each payment and label that goes on stood among
    the events; int64, shape (n,). `keys` and `forwarded`: of each, its key for the next stage and its packed features.

    `columns`, `late`, `repeat`: of the payments. `rejected`: events that go no further.
    """

    columns: Columns
    positions: Int64Array
    keys: list[bytes]
    forwarded: list[bytes]
    late: BoolArray
    repeat: BoolArray
    rejected: list[Rejection]
    labels: int
    labels_unmatched: int


@dataclass(frozen=True, slots=True)
class _Updated:
    """What is known of a batch's events, shape (n,), before anything is decided. `value` and `error`: of each entity,
    or of the stages before, (features, n). `since_ms`: as `ForwardedFeatures`'s. `matched`: (labels,).
    `first`, `first_events`: of the first entity, if it is of this stage."""

    batch: Batch
    rejected: list[Rejection]
    value: list[Float64Array]
    error: list[Int8Array]
    status: Int8Array
    since_ms: Int64Array
    matched: BoolArray
    first: kernel_types.Answers | None
    first_events: kernel_types.Events | None

    def first_verdicts(self) -> FirstVerdicts:
        """Of the repeats, as the slots of the first entity tell: of one in this batch the payment's number."""
        assert self.first is not None, "without a ledger the first entity keeps the verdicts"
        score = self.first.first_score[self.batch.payment_at]
        in_batch = np.flatnonzero(score < 0)
        score[in_batch] = -(self.batch.payment_of[-score[in_batch] - 1] + 1)
        return FirstVerdicts(score, self.first.first_verdict[self.batch.payment_at])


class Engine:
    """A rule set made ready to judge. It holds no state: that is in the `PartitionState` of each partition.

    `stage`: the entity that it walks, where each has a process of its own; else it walks all. `stages`: their names,
    in order; the last one decides, and names the stage in alert ids. `too_far_ahead_ms`: how far event time may lie
    ahead of publication. Raises `ValueError` for a stage that the catalogue does not have.
    """

    def __init__(self, rule_set: RuleSet, stage: str | None = None, too_far_ahead_ms: int = TOO_FAR_AHEAD_MS) -> None:
        self.rule_set, self.stage, self.too_far_ahead_ms = rule_set, stage, too_far_ahead_ms
        self._catalogue = rule_set.catalogue
        entities = self._catalogue.stages
        self._plans = tuple(plan_entity(self._catalogue, entity) for entity in entities)
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
        self.codec_in, self.codec_out = FeatureCodec(self._plans[:first]), FeatureCodec(self._plans[:end])

    def of_stage(self, stage: str) -> Engine:
        """The engine of one stage, under the same rule set. Raises `ValueError`."""
        return Engine(self.rule_set, stage, self.too_far_ahead_ms)

    def under(self, rule_set: RuleSet) -> Engine:
        """The engine of other rules, for the same stage."""
        return Engine(rule_set, self.stage, self.too_far_ahead_ms)

    def new_state(self) -> PartitionState:
        """The memory of a partition that has seen nothing yet."""
        return PartitionState(
            self._own, self.rule_set.digest, Ledger() if self.decides and len(self._plans) > 1 else None
        )

    def judge(
        self,
        events: Sequence[Payment | Label],
        state: PartitionState,
        published_at_ms: Sequence[int] | None = None,
        forwarded: ForwardedFeatures | None = None,
    ) -> Verdicts:
        """Apply the events to the memory, in order, and judge each payment in the light of what stands before it.

        How events are cut into calls changes nothing. `published_at_ms`: when each event's record was published, if
        known. `forwarded`: what each event brings from the stages before, where this engine is not of the first. Events
        that can't be judged change nothing either; they are in `Verdicts.rejected`.
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
    ) -> Forwarded:
        """As `judge`, where another stage follows: what goes on to it, in order."""
        assert self._next_key is not None, "the last stage decides"
        updated = self._update(events, state, published_at_ms, forwarded)
        batch, columns = updated.batch, updated.batch.columns
        arrived = np.asarray(published_at_ms, np.int64) if forwarded is None else forwarded.arrived_at_ms
        status = updated.status.copy()
        status[batch.label_at] = np.where(updated.matched, kernel_types.FRESH, kernel_types.UNMATCHED)
        value, error = np.concatenate(updated.value), np.concatenate(updated.error)
        forwarded = ForwardedFeatures(arrived[batch.positions], updated.since_ms, status, value, error)
        of_payments = status[batch.payment_at]
        return Forwarded(
            columns=columns,
            positions=batch.positions,
            keys=batch.keys(self._next_key),
            forwarded=self.codec_out.pack(forwarded),
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
        """Ask the memory's entities, one after the other, and let them remember."""
        assert (forwarded is None) == self.is_first, "features are carried to every stage but the first"
        at = np.array([i for i, event in enumerate(events) if type(event) is not Label], np.int64)
        payments = [event for event in events if not isinstance(event, Label)]
        labels = [(i, event) for i, event in enumerate(events) if type(event) is Label] if len(at) < len(events) else []
        published = (
            None if published_at_ms is None or forwarded is not None else np.asarray(published_at_ms, np.int64)[at]
        )
        columns, kept, rejected = read_columns(payments, published, self.too_far_ahead_ms, self._attributes)
        batch = Batch(columns, at[kept], labels)
        value: list[Float64Array] = []
        error: list[Int8Array] = []
        status: Int8Array | None = None
        matched = np.zeros(len(labels), np.bool_)
        since_ms = np.full(batch.n, NEVER if state.since_ms is None else state.since_ms, np.int64)
        if forwarded is not None:
            before = forwarded.at(batch.positions)
            since_ms = np.maximum(since_ms, before.since_ms)
            value, error, status = [before.value], [before.error], before.status
            matched = status[batch.label_at] == kernel_types.FRESH
        first: kernel_types.Answers | None = None
        first_events: kernel_types.Events | None = None
        for entity in state.entities:
            kernel_events = batch.events_of(entity, status)
            answers = batch.answers_for(entity)
            entity.update(kernel_events, answers)
            matched |= (kernel_events.row >= 0)[batch.label_at] & (
                answers.status[batch.label_at] != kernel_types.UNMATCHED
            )
            value.append(answers.value)
            error.append(answers.error)
            if status is None:
                status, first, first_events = answers.status, answers, kernel_events
        assert status is not None, "a stage has an entity"
        if columns.n:
            state.watermark_ms = max(state.watermark_ms, int(columns.occurred_at_ms.max()))
        rejected = [rejection._replace(position=int(at[rejection.position])) for rejection in rejected]
        return _Updated(batch, rejected, value, error, status, since_ms, matched, first, first_events)

    def _decide(self, updated: _Updated, state: PartitionState) -> Verdicts:
        batch, columns = updated.batch, updated.batch.columns
        status = updated.status[batch.payment_at]
        first = state.ledger.enter(columns.event, status) if state.ledger is not None else updated.first_verdicts()
        again = kernel_types.repeats(status)
        repeat = again & (first.score != ledger.UNKNOWN)
        late = ((status == kernel_types.LATE) | again) & ~repeat
        features, errors = self._features(updated, repeat)
        for name, value in features.items():
            columns.add(name, _column_of(self._symbols[name], value))
        for derived in self._catalogue.derived:
            self._derive(derived, columns, features)
        for name, declared in self.rule_set.lists.items():
            # An empty list needs no digests of what may be on it.
            values = columns.column(declared.of) if state.lists.any_on(name) else np.zeros(columns.n, np.uint64)
            columns.add(f"lists.{name}", state.lists.until_ms(name, values, columns.occurred_at_ms))

        fired = np.zeros((columns.n, len(self.rule_set.rules)), np.bool_)
        for number, rule in enumerate(self.rule_set.rules):
            fired[:, number] = rule.when.true(columns)
        fired[repeat] = False
        part_points = self.rule_set.score.points(columns)
        score_points = part_points.sum(axis=0, dtype=np.int32)
        score_points[repeat] = 0
        finding = self._findings(state, fired, score_points)
        # Repeats answer with their first verdict: the one remembered, or one of this very batch.
        for row in np.flatnonzero(repeat).tolist():
            score = int(first.score[row])
            if score >= 0:
                score_points[row], finding[row] = score, first.verdict[row]
            else:
                score_points[row], finding[row] = score_points[-score - 1], finding[-score - 1]
        fresh = status == kernel_types.FRESH
        self._remember(updated, state, fresh, score_points[fresh], finding[fresh].astype(np.int32))
        outcomes = np.array([found.outcome != "allow" for found in state.findings], np.bool_)
        return Verdicts(
            rule_set=self.rule_set,
            stage=self.stages[-1],
            plans=self._plans,
            columns=columns,
            positions=batch.positions[batch.payment_at],
            late=late,
            repeat=repeat,
            altered=repeat & (status == kernel_types.ALTERED),
            score_points=score_points,
            part_points=part_points,
            finding=finding,
            findings=state.findings,
            fired=fired,
            alerted=outcomes[finding] & ~repeat if columns.n else np.zeros(0, np.bool_),
            features=features,
            errors=errors,
            rejected=updated.rejected,
            labels=len(batch.labels),
            labels_unmatched=len(batch.labels) - int(updated.matched.sum()),
            since_ms=updated.since_ms[batch.payment_at],
        )

    def _features(self, updated: _Updated, repeat: BoolArray) -> tuple[dict[str, Float64Array], dict[str, Int8Array]]:
        """By name, of each payment; a repeat has none."""
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

    def _remember(
        self, updated: _Updated, state: PartitionState, fresh: BoolArray, score: Int32Array, finding: Int32Array
    ) -> None:
        """Keep the first verdicts of the fresh payments, for their repeats."""
        if state.ledger is not None:
            state.ledger.judged(score, finding)
            return
        assert updated.first_events is not None, "without a ledger the first entity keeps the verdicts"
        account, row = state.entities[0].arena, updated.first_events.row[updated.batch.payment_at][fresh]
        event = updated.batch.columns.event[fresh]
        kernel.remember_verdicts(account.rows, account.slots, account.tops, row, event, score, finding)

    def _findings(self, state: PartitionState, fired: BoolArray, score_points: Int32Array) -> Int64Array:
        """What each payment's verdict came to, as a number in the memory's list."""
        rule_set = self.rule_set
        if not len(fired):
            return np.zeros(0, np.int64)
        plain = state.number_of(Finding(rule_set.digest, "allow", (), ()))
        finding = np.full(len(fired), plain, np.int64)
        above = score_points >= rule_set.score.threshold_points
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
        rules = [self.rule_set.rules[number] for number in np.flatnonzero(fired).tolist()]
        live = [rule for rule in rules if rule.status == "live"]
        outcome: Outcome = "review" if live or above else "allow"
        if any(rule.outcome == "block" for rule in live):
            outcome = "block"
        shadow = tuple(rule.name for rule in rules if rule.status == "shadow")
        return Finding(self.rule_set.digest, outcome, tuple(rule.name for rule in live), shadow)

    def _derive(self, derived: Derived, columns: Columns, features: dict[str, Float64Array]) -> None:
        if derived.type is Type.BOOL:
            true, known = derived.expression.truth(columns)
            columns.add(derived.name, np.where(known, true, -1).astype(np.int8))
            features[derived.name] = np.where(known, true.astype(np.float64), np.nan)
        else:
            features[derived.name] = derived.expression.values(columns)
            columns.add(derived.name, features[derived.name])


def _column_of(type_: Type, value: Float64Array) -> Array:
    """A feature's answers, shape (n,), as `ColumnSource` gives a column of its type."""
    if type_ is Type.BOOL:
        return np.where(np.isnan(value), -1, value).astype(np.int8)
    return digests_of_codes(value) if type_ is Type.TEXT else value
