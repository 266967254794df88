"""Why a payment was alerted: the rules that fired with evidence, the parts of the score, and the features they read.

An `Explainer` is made once for a rule set: everything about rules and features that does not depend on the payment is
prepared when it is first needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import msgspec

from fraudstream.contracts.alert import FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.duration import duration_text
from fraudstream.contracts.fields import SEVERITIES, Severity
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import Int8Array
from fraudstream.engine.catalogue import Feature
from fraudstream.engine.columns import time_ms
from fraudstream.engine.evidence import evidence_of, proofs_of
from fraudstream.engine.expression import Type, ValueLists
from fraudstream.engine.json_template import SLOT, template
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, UNCORRECTED
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.plain_text import MISSING, plain
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.rules import Rule
from fraudstream.engine.warming import warming

SCORE_SEVERITY: Severity = "medium"  # of an alert that was raised by the score alone

_COMBINATIONS_MAX = 4096  # of rules and parts, about which something is remembered
_WORD_BITS = 64  # of `Verdicts.fired_bits`
_REMEMBERED_MAX = 1024  # values of one feature

_encode = msgspec.json.Encoder().encode


class Explainer:
    """Explains payments under one rule set. `plans`: of all entities."""

    def __init__(self, rule_set: RuleSet, plans: Sequence[EntityPlan]) -> None:
        self._rule_set, self._plans = rule_set, plans
        self._features_of = lru_cache(_COMBINATIONS_MAX)(self._features_read)
        self._severity_of = lru_cache(_COMBINATIONS_MAX)(self._highest)
        self._rules_of = lru_cache(_COMBINATIONS_MAX)(self._rules_in)

    def rules_in(self, bits: tuple[int, ...]) -> tuple[int, ...]:
        """The numbers of the rules that fired, in their order. `bits`: of one payment, as in `Verdicts.fired_bits`."""
        return self._rules_of(bits)

    def hits(self, row: PaymentRow, fired: Sequence[int]) -> bytes:
        """The rules that fired for a payment: a JSON array of `RuleHit`. `fired`: their numbers, in their order."""
        return b"[%b]" % b",".join([self._rules[number].hit(row) for number in fired])

    def severity(self, fired: tuple[int, ...]) -> Severity:
        """The highest severity of the live rules among those that fired; `SCORE_SEVERITY` if there is none."""
        return self._severity_of(fired)

    def live(self, fired: Sequence[int]) -> list[tuple[str, Severity]]:
        """Name and severity of the live rules among those that fired."""
        rules = [self._rule_set.rules[number] for number in fired]
        return [(rule.name, rule.severity) for rule in rules if rule.status != "shadow"]

    def _highest(self, fired: tuple[int, ...]) -> Severity:
        severities: list[Severity] = [severity for _, severity in self.live(fired)]
        return max(severities, key=SEVERITIES.index, default=SCORE_SEVERITY)

    def _rules_in(self, bits: tuple[int, ...]) -> tuple[int, ...]:
        joined = sum(word << _WORD_BITS * k for k, word in enumerate(bits))
        return tuple(number for number in range(len(self._rule_set.rules)) if joined >> number & 1)

    def score_parts(
        self, row: PaymentRow, contributions: Sequence[int], rarities: Mapping[str, int], *, include_zero: bool = False
    ) -> list[ScorePart]:
        """The parts that contributed to a payment's score, with `include_zero` all parts; they add up to the score.

        `contributions`: points of each part, of this payment; `rarities`: as of `Scores.rarities`.
        """
        parts = self._rule_set.scorer.explain(contributions, row, include_zero=include_zero)
        if not rarities:
            return parts
        return [msgspec.structs.replace(part, one_in=rarities.get(part.part)) for part in parts]

    def features(
        self, row: PaymentRow, fired: tuple[int, ...], parts: Sequence[ScorePart], errors: Int8Array, since_ms: int
    ) -> bytes:
        """The features that the rules that fired, and `parts`, have read, by name: a JSON array of `FeatureValue`.

        `errors`: as `Verdicts.error`, of the columns that `row` belongs to. `since_ms`: when the state that answered
        the payment began, ms since the epoch, or `NEVER`.
        """
        read = self._features_of(fired, tuple([part.part for part in parts]))
        return b"[%b]" % b",".join([feature.json(row, errors, since_ms) for feature in read])

    def all_features(self, row: PaymentRow, errors: Int8Array, since_ms: int) -> tuple[FeatureValue, ...]:
        """Every feature of the catalogue for one payment, by name."""
        return tuple([feature.of_row(row, errors, since_ms) for feature in self._features.values()])

    def _features_read(self, fired: tuple[int, ...], parts: tuple[str, ...]) -> tuple[_Feature, ...]:
        """The features that some rules and parts read, by name."""
        inputs = self._rule_set.scorer.inputs
        names = {name for part in parts for name in inputs[part]}
        names = names.union(*(self._rule_set.rules[number].names for number in fired))
        return tuple(feature for name, feature in self._features.items() if name in names)

    @cached_property
    def _rules(self) -> list[_PreparedRule]:
        """The rules, in their order."""
        return [_PreparedRule(rule, self._rule_set.lists) for rule in self._rule_set.rules]

    @cached_property
    def _features(self) -> dict[str, _Feature]:
        """Every feature of the catalogue, by name and in that order."""
        catalogue = self._rule_set.catalogue
        types = catalogue.symbols
        declared = {feature.name: feature for feature in catalogue.features}
        answered = [(feature.name, plan) for plan in self._plans for feature in plan.features]
        errors = {name: _Errors(index, plan) for index, (name, plan) in enumerate(answered)}
        found = {name: _Feature(name, types[name], feature, errors[name]) for name, feature in declared.items()}
        for derived in catalogue.derived:
            read = [found[name] for name in sorted(derived.expression.names & found.keys())]
            found[derived.name] = _Feature(derived.name, derived.type, None, None, read)
        return {name: found[name] for name in sorted(found)}


class _PreparedRule:
    """A rule, prepared to be shown. `lists`: the declared lists."""

    def __init__(self, rule: Rule, lists: ValueLists) -> None:
        self._message = rule.message
        self._proofs = proofs_of(rule.when.comparisons, lists)
        self._template = template(
            RuleHit(rule.name, rule.rule_id, rule.title, rule.severity, SLOT, SLOT, rule.tags, rule.status == "shadow")
        )

    def hit(self, row: PaymentRow) -> bytes:
        """The rule as an alert shows it for a payment for which it fired: a `RuleHit`."""
        return self._template % (_encode(self._message.filled(row.text)), evidence_of(self._proofs, row))


class _Errors:
    """How the values of one feature are answered. `index`: of its row in `Verdicts.error`; `plan`: of its entity."""

    def __init__(self, index: int, plan: EntityPlan) -> None:
        entity = plan.entity
        self.index = index
        self.texts = {
            UNCORRECTED: "it may count a payment that was taken back or captured after it had left the payments held",
            PANE: f"payments up to {duration_text(entity.pane_ms)} outside the window may count",
            AT_LEAST: f"not exact: the window reaches back beyond the {entity.slots} payments held",
        }


class _Feature:
    """A feature, prepared. `declared`, `errors`: None for a derived one, which has no window. `read`: the features that
    a derived one is computed from."""

    def __init__(
        self,
        name: str,
        type_: Type,
        declared: Feature | None,
        errors: _Errors | None,
        read: Sequence[_Feature] = (),
    ) -> None:
        self._name, self._type, self._declared, self._errors, self._read = name, type_, declared, errors, read
        self._is_alike = type_ in (Type.NUMBER, Type.BOOL)
        self._json_of = lru_cache(_REMEMBERED_MAX)(self._json)

    def json(self, row: PaymentRow, errors: Int8Array, since_ms: int) -> bytes:
        """Its value for one payment as JSON, as `Explainer.features` gives it."""
        if self._is_alike and since_ms == NEVER and not self._read:  # most are counts, so what was made is remembered
            error = EXACT if self._errors is None else errors.item(self._errors.index, row.row)
            return self._json_of(row.values[self._name], error)
        return _encode(self.of_row(row, errors, since_ms))

    def of_row(self, row: PaymentRow, errors: Int8Array, since_ms: int) -> FeatureValue:
        """Its value for one payment, as `Explainer.all_features` gives it."""
        if self._read:
            return self._derived(row, errors, since_ms)
        name, type_ = self._name, self._type
        text = row.texts.get(name) or row.text(name, type_)
        error = warms = None
        if self._errors is not None:
            error = self._errors.texts.get(errors.item(self._errors.index, row.row))
        if self._declared is not None and since_ms != NEVER:
            value = math.nan if type_ is Type.TEXT and text == MISSING else row.values[name]
            warms = warming(self._declared, value, time_ms(row.payment.occurred_at), since_ms)
        return FeatureValue(name, text, error, warms)

    def _derived(self, row: PaymentRow, errors: Int8Array, since_ms: int) -> FeatureValue:
        """A derived feature is as exact, and covers as much of its window, as the first of those read that is not or
        does not."""
        read = [feature.of_row(row, errors, since_ms) for feature in self._read]
        inexact = next((f"{one.feature}: {one.window_error}" for one in read if one.window_error is not None), None)
        warms = next((one.warming for one in read if one.warming is not None), None)
        return FeatureValue(self._name, row.text(self._name, self._type), inexact, warms)

    def _json(self, value: float, error: int) -> bytes:
        """A NUMBER or a BOOL whose window is covered."""
        error_text = None if self._errors is None else self._errors.texts.get(error)
        return _encode(FeatureValue(self._name, plain(value, self._type, ""), error_text))
