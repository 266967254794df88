"""Why payments were alerted: the rules that fired with evidence, the parts of the score, and the features they read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fraudstream.contracts.alert import FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.duration import duration_text
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import BoolArray, Int8Array, Int64Array
from fraudstream.engine.columns import Excerpt, time_ms
from fraudstream.engine.evidence import evidence_of
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, PANE, UNCORRECTED
from fraudstream.engine.plain_text import MISSING, plain, text_at, value_at
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.warming import warming


class Explanation:
    """Explains the n payments of an excerpt.

    `fired`: the rules that fired for each; bool, shape (n, rules). `since_ms`: when the state that answered each
    payment began, ms since the epoch, `NEVER` where it covers its log from the beginning; int64, shape (n,).
    """

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
        """The rules that fired for each payment, in the order of the rule set."""
        hits: list[list[RuleHit]] = [[] for _ in payments]
        for number, rule in enumerate(self._rule_set.rules):
            rows = np.flatnonzero(self._fired[:, number])
            if not len(rows):
                continue
            of_rule = [payments[row] for row in rows.tolist()]
            columns = self._columns.excerpt(rows)
            evidence = evidence_of(rule.when.comparisons, columns, of_rule, self._rule_set.lists)
            for k, (row, payment, proof) in enumerate(zip(rows.tolist(), of_rule, evidence, strict=True)):
                hits[row].append(
                    RuleHit(
                        rule=rule.name,
                        rule_id=rule.rule_id,
                        title=rule.title,
                        severity=rule.severity,
                        message=rule.message.filled(_MessageValues(columns, k, payment)),
                        evidence=proof,
                        tags=rule.tags,
                        shadow=rule.status == "shadow",
                    )
                )
        return hits

    def score_parts(
        self, payments: Sequence[Payment], contributions: Int64Array, *, include_zero: bool = False
    ) -> list[list[ScorePart]]:
        """The parts that contributed to each payment's score, with `include_zero` all parts; they add up to the score.

        `contributions`: points, int64, shape (parts, n), as `scorer.Scores.contributions` returned them.
        """
        return self._rule_set.scorer.explain(contributions, self._columns, payments, include_zero=include_zero)

    def features(
        self, payments: Sequence[Payment], parts: Sequence[Sequence[ScorePart]], errors: Mapping[str, Int8Array]
    ) -> list[list[FeatureValue]]:
        """For each payment the features that the rules that fired, and the parts in `parts`, have read.

        `errors`: by feature, how its value was answered (`kernel_types.EXACT`, `PANE`, `AT_LEAST`); int8, shape (n,).
        """
        inputs = self._rule_set.scorer.inputs
        found: list[list[FeatureValue]] = []
        for row, payment in enumerate(payments):
            names = {name for part in parts[row] for name in inputs[part.part]}
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
        if entity is None or error not in (PANE, AT_LEAST, UNCORRECTED):
            return None
        if error == UNCORRECTED:
            return "it may count a payment that was taken back or captured after it had left the payments held"
        if error == PANE:
            return f"payments up to {duration_text(entity.pane_ms)} outside the window may count"
        return f"not exact: the window reaches back beyond the {entity.slots} payments held"

    def _warming(self, name: str, value: float, payment: Payment, row: int) -> str | None:
        feature = self._declared.get(name)
        since_ms = int(self._since_ms[row])
        if feature is None or since_ms == NEVER:
            return None
        return warming(feature, value, time_ms(payment.occurred_at), since_ms)


class _MessageValues:
    """The values that fill a rule's message for one payment, as text. `row`: of the payment in `columns`."""

    def __init__(self, columns: Excerpt, row: int, payment: Payment) -> None:
        self._columns, self._row, self._payment = columns, row, payment

    def __call__(self, name: str, type_: Type) -> str:
        return value_at(self._columns, self._row, self._payment, name, type_)
