"""Why payments were alerted: the rules that fired, with evidence; the parts that scored; the features these read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fraudstream.contracts.alert import FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import BoolArray, Int8Array, Int32Array, Int64Array
from fraudstream.engine.columns import Excerpt, time_ms
from fraudstream.engine.duration import duration_text
from fraudstream.engine.evidence import evidence_of, texts_of
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, PANE
from fraudstream.engine.plain_text import MISSING, plain, text_at
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.score import POINTS_MAX
from fraudstream.engine.warming import warming


class Explanation:
    """Explains the payments of an excerpt. `fired`: bool, shape (n, rules). `since_ms`: `NEVER` where the
    memories have seen their logs from the beginning; int64, shape (n,)."""

    def __init__(
        self,
        rule_set: RuleSet,
        plans: Sequence[EntityPlan],
        columns: Excerpt,
        fired: BoolArray,
        since_ms: Int64Array,
    ) -> None:
        self._rule_set, self._columns, self._fired = rule_set, columns, fired
        self._entities = {plan.entity.name: plan.entity for plan in plans}
        self._since_ms = since_ms
        self._declared = {feature.name: feature for feature in rule_set.catalogue.features}
        self._types = rule_set.catalogue.symbols
        self._features = self._types.keys() - rule_set.catalogue.payment_symbols.keys()

    def hits(self, payments: Sequence[Payment]) -> list[list[RuleHit]]:
        """The rules that fired, for each payment, in the rule set's order."""
        hits: list[list[RuleHit]] = [[] for _ in payments]
        for number, rule in enumerate(self._rule_set.rules):
            rows = np.flatnonzero(self._fired[:, number])
            if not len(rows):
                continue
            whose = [payments[row] for row in rows.tolist()]
            columns = self._columns.excerpt(rows)
            evidence = evidence_of(rule.when.comparisons, columns, whose, self._rule_set.lists)
            for k, (row, payment, proof) in enumerate(zip(rows.tolist(), whose, evidence, strict=True)):
                hits[row].append(
                    RuleHit(
                        rule=rule.name,
                        rule_id=rule.rule_id,
                        title=rule.title,
                        severity=rule.severity,
                        message=rule.message.filled(_Words(columns, k, payment)),
                        evidence=proof,
                        tags=rule.tags,
                        shadow=rule.status == "shadow",
                    )
                )
        return hits

    def score_parts(
        self, payments: Sequence[Payment], points: Int32Array, *, silent: bool = False
    ) -> list[list[ScorePart]]:
        """The parts with points, for each payment: they add up to its score. `points`: int32, shape (parts, n).

        `silent`: those without points as well.
        """
        parts: list[list[ScorePart]] = [[] for _ in payments]
        for part, of_part in zip(self._rule_set.score.parts, points, strict=True):
            rows = np.arange(len(payments)) if silent else np.flatnonzero(of_part)
            if not len(rows):
                continue
            whose, columns = [payments[row] for row in rows.tolist()], self._columns.excerpt(rows)
            values = texts_of(part.value, columns, whose)
            normals = texts_of(part.normal, columns, whose) if part.normal is not None else [None] * len(whose)
            for row, value, normal in zip(rows.tolist(), values, normals, strict=True):
                scored = int(of_part[row]) / POINTS_MAX
                parts[row].append(ScorePart(part.name, scored, part.points_max / POINTS_MAX, value, normal))
        return parts

    def features(
        self, payments: Sequence[Payment], parts: Sequence[Sequence[ScorePart]], errors: Mapping[str, Int8Array]
    ) -> list[list[FeatureValue]]:
        """For each payment the features that its rules and the parts that scored have read."""
        read_by_part = {part.name: part.names for part in self._rule_set.score.parts}
        found: list[list[FeatureValue]] = []
        for row, payment in enumerate(payments):
            names = {name for part in parts[row] for name in read_by_part[part.part]}
            for number in np.flatnonzero(self._fired[row]).tolist():
                names |= self._rule_set.rules[number].names
            found.append([self._feature(name, row, payment, errors) for name in sorted(names & self._features)])
        return found

    def all_features(self, row: int, payment: Payment, errors: Mapping[str, Int8Array]) -> list[FeatureValue]:
        """Every feature of the catalogue for one payment, by name."""
        return [self._feature(name, row, payment, errors) for name in sorted(self._features)]

    def _feature(self, name: str, row: int, payment: Payment, errors: Mapping[str, Int8Array]) -> FeatureValue:
        value, type_ = float(self._columns.column(name)[row]), self._types[name]
        if type_ is Type.TEXT:
            text = text_at(self._columns, row, payment, name)
            value = math.nan if text == MISSING else value
        else:
            text = plain(value, type_, payment.currency)
        return FeatureValue(
            name,
            text,
            self._window_error(name, int(errors[name][row]) if name in errors else 0),
            self._warming(name, value, payment, row),
        )

    def _window_error(self, name: str, error: int) -> str | None:
        entity = self._entities.get(name.partition(".")[0])
        if entity is None or error not in (PANE, AT_LEAST):
            return None
        if error == PANE:
            return f"payments up to {duration_text(entity.pane_ms)} outside the window may count"
        return f"not exact: the window reaches back beyond the {entity.slots} payments held"

    def _warming(self, name: str, value: float, payment: Payment, row: int) -> str | None:
        feature = self._declared.get(name)
        since_ms = int(self._since_ms[row])
        if feature is None or since_ms == NEVER:
            return None
        return warming(feature, value, time_ms(payment.occurred_at), since_ms)


class _Words:
    """Fills a message: the value of a name for one payment, as text."""

    def __init__(self, columns: Excerpt, row: int, payment: Payment) -> None:
        self._columns, self._row, self._payment = columns, row, payment

    def __call__(self, name: str, type_: Type) -> str:
        if type_ is Type.TEXT:
            return text_at(self._columns, self._row, self._payment, name)
        return plain(float(self._columns.column(name)[self._row]), type_, self._payment.currency)
