"""Why a payment was alerted: the rules that fired with evidence, the parts of the score, and the features they read.

An `Explainer` is made once for a rule set: everything about rules and features that does not depend on the payment is
prepared when it is first needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

from fraudstream.contracts.alert import FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.duration import duration_text
from fraudstream.contracts.fields import SEVERITIES, Severity
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import Int8Array
from fraudstream.engine.catalogue import Feature
from fraudstream.engine.columns import time_ms
from fraudstream.engine.evidence import Proof, evidence_of, proofs_of
from fraudstream.engine.expression import Type
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, UNCORRECTED
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.plain_text import MISSING, plain
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.rules import Rule
from fraudstream.engine.warming import warming

SCORE_SEVERITY: Severity = "medium"  # of an alert that was raised by the score alone

_COMBINATIONS_MAX = 4096  # of rules and parts whose features are remembered
_REMEMBERED_MAX = 1024  # values of one feature

Errors = Mapping[str, Int8Array]  # by feature, how its value was answered for each payment; shape (n,)


class Explainer:
    """Explains payments under one rule set. `plans`: of all entities."""

    def __init__(self, rule_set: RuleSet, plans: Sequence[EntityPlan]) -> None:
        self._rule_set, self._plans = rule_set, plans
        self._features_of = lru_cache(_COMBINATIONS_MAX)(self._features_read)
        self._severity_of = lru_cache(_COMBINATIONS_MAX)(self._highest)
        self._proofs: dict[int, tuple[Proof, ...]] = {}

    def hits(self, row: PaymentRow, fired: Sequence[int]) -> tuple[RuleHit, ...]:
        """The rules that fired for a payment. `fired`: their numbers in the rule set, in its order."""
        return tuple([self._hit(number, row) for number in fired])

    def severity(self, fired: Sequence[int]) -> Severity:
        """The highest severity of the live rules among those that fired; `SCORE_SEVERITY` if there is none."""
        return self._severity_of(tuple(fired))

    def _highest(self, fired: tuple[int, ...]) -> Severity:
        rules = [self._rule_set.rules[number] for number in fired]
        live = [rule.severity for rule in rules if rule.status != "shadow"]
        return max(live, key=SEVERITIES.index, default=SCORE_SEVERITY)

    def score_parts(
        self, row: PaymentRow, contributions: Sequence[int], *, include_zero: bool = False
    ) -> list[ScorePart]:
        """The parts that contributed to a payment's score, with `include_zero` all parts; they add up to the score.

        `contributions`: points of each part, of this payment.
        """
        return self._rule_set.scorer.explain(contributions, row, include_zero=include_zero)

    def features(
        self, row: PaymentRow, fired: Sequence[int], parts: Sequence[ScorePart], errors: Errors, since_ms: int
    ) -> tuple[FeatureValue, ...]:
        """The features that the rules that fired, and `parts`, have read, by name.

        `errors`: `kernel_types.EXACT`, `PANE` and so on; of the columns that `row` belongs to. `since_ms`: when the
        state that answered the payment began, ms since the epoch, or `NEVER`.
        """
        read = self._features_of(tuple(fired), tuple([part.part for part in parts]))
        return tuple([feature.of_row(row, errors, since_ms) for feature in read])

    def all_features(self, row: PaymentRow, errors: Errors, since_ms: int) -> tuple[FeatureValue, ...]:
        """Every feature of the catalogue for one payment, by name."""
        return tuple([feature.of_row(row, errors, since_ms) for feature in self._features.values()])

    def _hit(self, number: int, row: PaymentRow) -> RuleHit:
        rule = self._rule_set.rules[number]
        return RuleHit(
            rule.name,
            rule.rule_id,
            rule.title,
            rule.severity,
            rule.message.filled(row.text),
            evidence_of(self._proofs_of(number, rule), row),
            rule.tags,
            rule.status == "shadow",
        )

    def _proofs_of(self, number: int, rule: Rule) -> tuple[Proof, ...]:
        proofs = self._proofs.get(number)
        if proofs is None:
            proofs = self._proofs[number] = proofs_of(rule.when.comparisons, self._rule_set.lists)
        return proofs

    def _features_read(self, fired: tuple[int, ...], parts: tuple[str, ...]) -> tuple[_Feature, ...]:
        """The features that some rules and parts read, by name."""
        inputs = self._rule_set.scorer.inputs
        names = {name for part in parts for name in inputs[part]}
        names = names.union(*(self._rule_set.rules[number].names for number in fired))
        return tuple(feature for name, feature in self._features.items() if name in names)

    @cached_property
    def _features(self) -> dict[str, _Feature]:
        """Every feature of the catalogue, by name and in that order."""
        catalogue = self._rule_set.catalogue
        types = catalogue.symbols
        declared = {feature.name: feature for feature in catalogue.features}
        errors = {plan.entity.name: _error_texts(plan) for plan in self._plans}
        found = {
            name: _Feature(name, types[name], feature, errors[feature.entity]) for name, feature in declared.items()
        }
        for derived in catalogue.derived:
            read = [found[name] for name in sorted(derived.expression.names & found.keys())]
            found[derived.name] = _Feature(derived.name, derived.type, None, {}, read)
        return {name: found[name] for name in sorted(found)}


def _error_texts(plan: EntityPlan) -> dict[int, str]:
    """How the value of a feature may be inexact, by how it was answered."""
    entity = plan.entity
    return {
        UNCORRECTED: "it may count a payment that was taken back or captured after it had left the payments held",
        PANE: f"payments up to {duration_text(entity.pane_ms)} outside the window may count",
        AT_LEAST: f"not exact: the window reaches back beyond the {entity.slots} payments held",
    }


class _Feature:
    """A feature, prepared. `declared`: None for a derived one. `error_texts`: of each way in which its value may have
    been answered; empty if it has no window. `read`: the features that a derived one is computed from."""

    def __init__(
        self,
        name: str,
        type_: Type,
        declared: Feature | None,
        error_texts: Mapping[int, str],
        read: Sequence[_Feature] = (),
    ) -> None:
        self.name = name
        self._type, self._declared, self._error_texts, self._read = type_, declared, error_texts, read
        self._is_alike = type_ in (Type.NUMBER, Type.BOOL)
        self._of_value = lru_cache(_REMEMBERED_MAX)(self._valued)

    def of_row(self, row: PaymentRow, errors: Errors, since_ms: int) -> FeatureValue:
        """Its value for one payment, as `Explainer.features` gives it."""
        name, type_ = self.name, self._type
        if self._read:
            return self._derived(row, errors, since_ms)
        error = errors[name].item(row.row) if self._error_texts else EXACT
        if self._is_alike and since_ms == NEVER:
            return self._of_value(row.value(name), error)
        text = row.text(name, type_)
        warms = None
        if self._declared is not None and since_ms != NEVER:
            value = math.nan if type_ is Type.TEXT and text == MISSING else row.value(name)
            warms = warming(self._declared, value, time_ms(row.payment.occurred_at), since_ms)
        return FeatureValue(name, text, self._error_texts.get(error), warms)

    def _derived(self, row: PaymentRow, errors: Errors, since_ms: int) -> FeatureValue:
        """A derived feature is as exact, and covers as much of its window, as the first of those read that is not or
        does not."""
        read = [feature.of_row(row, errors, since_ms) for feature in self._read]
        inexact = next((f"{one.feature}: {one.window_error}" for one in read if one.window_error is not None), None)
        warms = next((one.warming for one in read if one.warming is not None), None)
        return FeatureValue(self.name, row.text(self.name, self._type), inexact, warms)

    def _valued(self, value: float, error: int) -> FeatureValue:
        """A NUMBER or a BOOL whose window is covered: most are counts, so what was made is remembered."""
        return FeatureValue(self.name, plain(value, self._type, ""), self._error_texts.get(error))
