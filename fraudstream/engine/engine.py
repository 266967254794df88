"""One batch through the engine: columns, each entity's past, rules and score, verdicts. The same code streams, replays
and tests rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraudstream.contracts.fields import Outcome
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine import kernel, questions
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array
from fraudstream.engine.batch import Batch
from fraudstream.engine.catalogue import Derived
from fraudstream.engine.columns import Columns, read_columns
from fraudstream.engine.duration import UNITS_MS
from fraudstream.engine.expression import Type
from fraudstream.engine.memory import Finding, Memory
from fraudstream.engine.plan import plan_entity
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.verdict import Verdicts

TOO_FAR_AHEAD_MS = UNITS_MS["d"]


class Engine:
    """A rule set made ready to judge. It holds no state: that is in the `Memory` of each partition.

    `stage` names the stage in alert ids. `too_far_ahead_ms`: how far event time may lie ahead of publication.
    """

    def __init__(self, rule_set: RuleSet, stage: str = "account", too_far_ahead_ms: int = TOO_FAR_AHEAD_MS) -> None:
        self.rule_set, self.stage, self.too_far_ahead_ms = rule_set, stage, too_far_ahead_ms
        self._catalogue = rule_set.catalogue
        self._plans = tuple(plan_entity(self._catalogue, entity) for entity in self._catalogue.entities)
        self._symbols = self._catalogue.symbols
        self._attributes = self._catalogue.attributes

    def memory(self) -> Memory:
        """The memory of a partition that has seen nothing yet."""
        return Memory(self._plans)

    def judge(
        self, events: Sequence[Payment | Label], memory: Memory, published_at_ms: Sequence[int] | None = None
    ) -> Verdicts:
        """Apply the events to the memory, in order, and judge each payment in the light of what stands before it.

        How events are cut into calls changes nothing. `published_at_ms`: when each event's record was published, if
        known. Events that can't be judged change nothing either; they are in `Verdicts.rejected`.
        """
        at = np.array([i for i, event in enumerate(events) if type(event) is not Label], np.int64)
        payments = [event for event in events if not isinstance(event, Label)]
        labels = [(i, event) for i, event in enumerate(events) if type(event) is Label] if len(at) < len(events) else []
        published = None if published_at_ms is None else np.asarray(published_at_ms, np.int64)[at]
        columns, kept, rejected = read_columns(payments, published, self.too_far_ahead_ms, self._attributes)
        positions = at[kept]
        rejected = [rejection._replace(position=int(at[rejection.position])) for rejection in rejected]

        batch = Batch(columns, positions, labels)
        features: dict[str, Float64Array] = {}
        errors: dict[str, Int8Array] = {}
        first: questions.Answers | None = None
        first_events: questions.Events | None = None
        matched = np.zeros(len(labels), np.bool_)
        for entity in memory.entities:
            kernel_events = batch.events_of(entity, None if first is None else first.status)
            answers = batch.answers_for(entity)
            entity.walk(kernel_events, answers)
            matched |= (kernel_events.row >= 0)[batch.label_at] & (
                answers.status[batch.label_at] != questions.UNMATCHED
            )
            for feature, value, error in zip(entity.plan.features, answers.value, answers.error, strict=True):
                features[feature.name] = value[batch.payment_at]
                errors[feature.name] = error[batch.payment_at]
            if first is None:
                first, first_events = answers, kernel_events
        assert first is not None, "a catalogue has an entity"
        assert first_events is not None, "a catalogue has an entity"
        if columns.n:
            memory.watermark_ms = max(memory.watermark_ms, int(columns.occurred_at_ms.max()))

        for name, value in features.items():
            is_bool = self._symbols[name] is Type.BOOL
            columns.add(name, np.where(np.isnan(value), -1, value).astype(np.int8) if is_bool else value)
        for derived in self._catalogue.derived:
            self._derive(derived, columns, features)

        status = first.status[batch.payment_at]
        repeat = status == questions.REPEAT
        fired = np.zeros((columns.n, len(self.rule_set.rules)), np.bool_)
        for number, rule in enumerate(self.rule_set.rules):
            fired[:, number] = rule.when.true(columns)
        fired[repeat] = False
        part_points = self.rule_set.score.points(columns)
        score_points = part_points.sum(axis=0, dtype=np.int32)
        score_points[repeat] = 0
        finding = self._findings(memory, fired, score_points)
        # Repeats answer with their first verdict: from the row, or from this very batch.
        for row in np.flatnonzero(repeat).tolist():
            score = int(first.first_score[batch.payment_at[row]])
            if score >= 0:
                score_points[row] = score
                finding[row] = first.first_verdict[batch.payment_at[row]]
            else:
                original = batch.payment_of[-score - 1]
                score_points[row], finding[row] = score_points[original], finding[original]
        account = memory.entities[0].arena
        fresh = status == questions.FRESH
        kernel.remember_verdicts(
            account.rows,
            account.slots,
            account.tops,
            first_events.row[batch.payment_at][fresh],
            columns.event[fresh],
            score_points[fresh],
            finding[fresh].astype(np.int32),
        )
        outcomes = np.array([found.outcome != "allow" for found in memory.findings], np.bool_)
        return Verdicts(
            rule_set=self.rule_set,
            stage=self.stage,
            plans=self._plans,
            columns=columns,
            positions=positions,
            late=status == questions.LATE,
            repeat=repeat,
            score_points=score_points,
            part_points=part_points,
            finding=finding,
            findings=memory.findings,
            fired=fired,
            alerted=outcomes[finding] & ~repeat if columns.n else np.zeros(0, np.bool_),
            features=features,
            errors=errors,
            rejected=rejected,
            labels=len(labels),
            labels_unmatched=len(labels) - int(matched.sum()),
            since_ms=memory.since_ms,
        )

    def _findings(self, memory: Memory, fired: BoolArray, score_points: Int32Array) -> Int64Array:
        """What each payment's verdict came to, as a number in the memory's list."""
        rule_set = self.rule_set
        if not len(fired):
            return np.zeros(0, np.int64)
        plain = memory.number_of(Finding(rule_set.digest, "allow", (), ()))
        finding = np.full(len(fired), plain, np.int64)
        above = score_points >= rule_set.score.threshold_points
        notable = np.flatnonzero(fired.any(axis=1) | above)
        seen: dict[bytes, int] = {}
        kinds = np.concatenate([fired[notable], above[notable, None]], axis=1)
        for row, kind in zip(notable.tolist(), kinds, strict=True):
            number = seen.get(kind.tobytes())
            if number is None:
                number = seen[kind.tobytes()] = memory.number_of(self._found(fired[row], bool(above[row])))
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
