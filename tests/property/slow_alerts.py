"""Alerts as they were made before explanations were prepared: over columns, text by text. The slow twin of `alerts`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec
import numpy as np

from fraudstream.contracts.alert import Alert, Evidence, FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.currency import amount_text
from fraudstream.contracts.duration import duration_text
from fraudstream.contracts.fields import SEVERITIES
from fraudstream.contracts.payment import Payment
from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.alert_id import alert_id
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import BoolArray, Int8Array, Int64Array
from fraudstream.engine.columns import Excerpt, time_ms
from fraudstream.engine.expression import ColumnSource, Comparison, Expression, Type, ValueLists
from fraudstream.engine.kernel_types import AT_LEAST, PANE, UNCORRECTED
from fraudstream.engine.learned_score.scorer import BASE, EvidenceScorer
from fraudstream.engine.lists import ABSENT, FOR_EVER
from fraudstream.engine.message import Message
from fraudstream.engine.plain_text import MISSING, text_at
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.score import PartsScorer
from fraudstream.engine.scorer import POINTS_MAX, threshold
from fraudstream.engine.trees.inputs import SCORE
from fraudstream.engine.trees.scorer import ModelScorer
from fraudstream.engine.verdict import Verdicts
from fraudstream.engine.warming import warming

UNITS_A_BIT = 65_536

_UPWARD, _DOWNWARD = (">", ">="), ("<", "<=")


def alerts_of(verdicts: Verdicts) -> list[Alert]:
    """One for each payment in `alerted`, with its explanation."""
    rows = np.flatnonzero(verdicts.alerted)
    if not len(rows):
        return []
    explanation = _Explanation(
        verdicts.rule_set,
        verdicts.plans,
        Excerpt(verdicts.columns, rows),
        verdicts.fired[rows],
        verdicts.since_ms[rows],
    )
    payments = [verdicts.payments[row] for row in rows.tolist()]
    converted = [_in_base(payment, verdicts.rule_set) for payment in payments]
    hits = explanation.hits(converted)
    parts = explanation.score_parts(converted, verdicts.contributions(rows), verdicts.scores.rarities(rows))
    features = explanation.features(converted, parts, {name: error[rows] for name, error in verdicts.errors.items()})
    alerts = []
    for k, (row, payment) in enumerate(zip(rows.tolist(), payments, strict=True)):
        found = verdicts.findings[int(verdicts.finding[row])]
        live = [hit.severity for hit in hits[k] if not hit.shadow]
        alert = Alert(
            alert_id=alert_id(payment.event_id, verdicts.stage, found.rule_set),
            verdict_digest="",
            event_id=payment.event_id,
            account_id=payment.account_id,
            occurred_at_ms=int(verdicts.occurred_at_ms[row]),
            outcome=found.outcome,
            severity=max(live, key=SEVERITIES.index, default="medium"),
            score=int(verdicts.score_points[row]) / POINTS_MAX,
            score_threshold=threshold(verdicts.rule_set.scorer),
            rule_set=found.rule_set,
            rules=tuple(hits[k]),
            score_parts=tuple(parts[k]),
            features=tuple(features[k]),
            payment=payment,
            late=bool(verdicts.late[row]),
            unmatched=verdicts.entities_in(int(verdicts.unmatched[row])),
            shadow_scores={name: int(points[row]) / POINTS_MAX for name, points in verdicts.shadow_points.items()},
        )
        digest = blake2b(msgspec.json.encode(alert), digest_size=8).hexdigest()
        alerts.append(msgspec.structs.replace(alert, verdict_digest=digest))
    return alerts


def _in_base(payment: Payment, rule_set: RuleSet) -> Payment:
    """The payment under the currency in which its amounts are shown. No rule of these tests shows `currency` itself."""
    currencies = rule_set.currencies
    if currencies is None or payment.currency not in currencies.rates:
        return payment
    return msgspec.structs.replace(payment, currency=currencies.base)


class _Explanation:
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
        self._derived = {derived.name: derived.expression for derived in rule_set.catalogue.derived}
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
            evidence = _evidence_of(rule.when.comparisons, columns, of_rule, self._rule_set.lists)
            for k, (row, payment, proof) in enumerate(zip(rows.tolist(), of_rule, evidence, strict=True)):
                hits[row].append(
                    RuleHit(
                        rule=rule.name,
                        rule_id=rule.rule_id,
                        title=rule.title,
                        severity=rule.severity,
                        message=_filled(rule.message, columns, k, payment),
                        evidence=proof,
                        tags=rule.tags,
                        shadow=rule.status == "shadow",
                    )
                )
        return hits

    def score_parts(
        self, payments: Sequence[Payment], contributions: Int64Array, rarities: Sequence[Mapping[str, int]]
    ) -> list[list[ScorePart]]:
        """The parts that contributed to each payment's score; they add up to the score.

        `contributions`: points, int64, shape (parts, n), as `scorer.Scores.contributions` returned them; `rarities` as
        well.
        """
        match self._rule_set.scorer:
            case PartsScorer() as scorer:
                return _score_parts(scorer, contributions, self._columns, payments)
            case EvidenceScorer() as scorer:
                return _evidence_parts(scorer, contributions, rarities, self._columns, payments)
            case ModelScorer() as scorer:
                return self._model_parts(scorer, contributions, payments)
            case scorer:
                raise TypeError(f"no twin of {scorer}")

    def _model_parts(
        self, scorer: ModelScorer, contributions: Int64Array, payments: Sequence[Payment]
    ) -> list[list[ScorePart]]:
        found: list[list[ScorePart]] = [[] for _ in payments]
        types = {given.name: Type[given.type] for given in scorer.model.inputs if given.name != SCORE}
        for name, of_part in zip(scorer.inputs, contributions, strict=True):
            for row in np.flatnonzero(of_part).tolist():
                value = None
                if name in types:
                    value = _plain(float(self._columns.column(name)[row]), types[name], payments[row].currency)
                found[row].append(ScorePart(name, int(of_part[row]) / POINTS_MAX, 1.0, value))
        return found

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

    def _feature(self, name: str, row: int, payment: Payment, errors: Mapping[str, Int8Array]) -> FeatureValue:
        value, type_ = float(self._columns.column(name)[row]), self._types[name]
        if type_ is Type.TEXT:
            text = text_at(self._columns, row, payment, name)
            value = math.nan if text == MISSING else value
        else:
            text = _plain(value, type_, payment.currency)
        if name in self._derived:
            return self._derived_feature(name, text, row, payment, errors)
        return FeatureValue(
            name,
            text,
            self._window_error(name, int(errors[name][row]) if name in errors else 0),
            self._warming(name, value, payment, row),
        )

    def _derived_feature(
        self, name: str, text: str, row: int, payment: Payment, errors: Mapping[str, Int8Array]
    ) -> FeatureValue:
        """It has the first error, and the first warming, of those that it reads, by name."""
        read = [
            self._feature(each, row, payment, errors) for each in sorted(self._derived[name].names & self._features)
        ]
        inexact = [f"{each.feature}: {each.window_error}" for each in read if each.window_error is not None]
        warms = [each.warming for each in read if each.warming is not None]
        return FeatureValue(name, text, inexact[0] if inexact else None, warms[0] if warms else None)

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


def _filled(message: Message, columns: ColumnSource, row: int, payment: Payment) -> str:
    def text(match: re.Match[str]) -> str:
        name = match.group(1)
        if message.fields[name] is Type.TEXT:
            return text_at(columns, row, payment, name)
        return _plain(float(columns.column(name)[row]), message.fields[name], payment.currency)

    return re.sub(r"\{([^{}]*)\}", text, message.template)


def _score_parts(
    scorer: PartsScorer, contributions: Int64Array, columns: Excerpt, payments: Sequence[Payment]
) -> list[list[ScorePart]]:
    found: list[list[ScorePart]] = [[] for _ in payments]
    for part, of_part in zip(scorer.parts, contributions, strict=True):
        rows = np.flatnonzero(of_part)
        if not len(rows):
            continue
        explained, excerpt = [payments[row] for row in rows.tolist()], columns.excerpt(rows)
        values = _texts_of(part.value, excerpt, explained)
        normals = [None] * len(rows) if part.normal is None else _texts_of(part.normal, excerpt, explained)
        for row, value, normal in zip(rows.tolist(), values, normals, strict=True):
            points = int(of_part[row]) / POINTS_MAX
            found[row].append(ScorePart(part.name, points, part.points_max / POINTS_MAX, value, normal))
    return found


def _evidence_parts(
    scorer: EvidenceScorer,
    contributions: Int64Array,
    rarities: Sequence[Mapping[str, int]],
    columns: Excerpt,
    payments: Sequence[Payment],
) -> list[list[ScorePart]]:
    found = [[ScorePart(BASE, bits / UNITS_A_BIT, 0.0, unit="bits")] for bits in contributions[0].tolist()]
    for part, of_part in zip(scorer.parts, contributions[1:], strict=True):
        rows = np.flatnonzero(of_part)
        if not len(rows):
            continue
        explained, excerpt = [payments[row] for row in rows.tolist()], columns.excerpt(rows)
        values = _texts_of(part.value, excerpt, explained)
        normals = [None] * len(rows) if part.normal is None else _texts_of(part.normal, excerpt, explained)
        for row, value, normal in zip(rows.tolist(), values, normals, strict=True):
            bits, one_in = int(of_part[row]) / UNITS_A_BIT, rarities[row].get(part.name)
            found[row].append(ScorePart(part.name, bits, 0.0, value, normal, "bits", one_in))
    return found


def _evidence_of(
    comparisons: Sequence[Comparison], columns: ColumnSource, payments: Sequence[Payment], lists: ValueLists
) -> list[tuple[Evidence, ...]]:
    """For each of the n payments, the comparisons that hold, in the rule's order. `lists`: the declared lists."""
    found: list[list[Evidence]] = [[] for _ in payments]
    for comparison in comparisons:
        holds = comparison.holds(columns)
        if not holds.any():
            continue
        evidence = _evidence(comparison, columns, payments, lists)
        for row in np.flatnonzero(holds).tolist():
            found[row].append(evidence[row])
    return [tuple(evidence) for evidence in found]


def _evidence(
    comparison: Comparison, columns: ColumnSource, payments: Sequence[Payment], lists: ValueLists
) -> list[Evidence]:
    values = _texts_of(comparison.left, columns, payments)
    if comparison.listed is not None:
        thresholds = _of_list(lists[comparison.listed].kind, columns.column(comparison.right_text).tolist())
    elif comparison.right is None:
        thresholds = [comparison.right_text] * len(payments)
    else:
        thresholds = _texts_of(comparison.right, columns, payments)
    return [
        Evidence(comparison.left.source, comparison.operator, comparison.right_text, value, threshold, margin)
        for value, threshold, margin in zip(values, thresholds, _margins(comparison, columns), strict=True)
    ]


def _texts_of(expression: Expression, columns: ColumnSource, payments: Sequence[Payment]) -> list[str]:
    """The value of an expression for each payment of `columns`, as plain text."""
    if expression.text_literal is not None:
        return [expression.text_literal] * len(payments)
    if expression.text_field is not None:
        return [text_at(columns, row, payment, expression.text_field) for row, payment in enumerate(payments)]
    if expression.type is Type.TEXT:
        return [text or MISSING for text in expression.texts(columns)]
    if expression.type is Type.BOOL:
        true, known = expression.truth(columns)
        values = np.where(known, true.astype(np.float64), np.nan)
    else:
        values = expression.values(columns)
    type_ = expression.type
    return [_plain(value, type_, payment.currency) for value, payment in zip(values.tolist(), payments, strict=True)]


def _of_list(kind: str, until_ms: list[int]) -> list[str]:
    """The kind of a list, and until when it holds each value, if it does so for a limited time."""
    return [
        f"{kind} list" if until in (ABSENT, FOR_EVER) else f"{kind} list, until {utc_text(until, 'shortest')}"
        for until in until_ms
    ]


def _margins(comparison: Comparison, columns: ColumnSource) -> list[float | None]:
    right = comparison.right
    if right is None or comparison.operator not in (*_UPWARD, *_DOWNWARD):
        return [None] * columns.n
    sign = 1.0 if comparison.operator in _UPWARD else -1.0
    values, thresholds = comparison.left.values(columns), right.values(columns)
    with np.errstate(all="ignore"):
        margins = sign * (values - thresholds) / np.abs(thresholds)
    return [round(margin, 4) if math.isfinite(margin) else None for margin in margins.tolist()]


def _plain(value: float, type_: Type, currency: str) -> str:
    if math.isnan(value) or (type_ is Type.BOOL and value < 0):
        return MISSING
    if math.isinf(value):
        return "infinite"
    match type_:
        case Type.BOOL:
            return "true" if value else "false"
        case Type.MONEY:
            return f"{amount_text(round(value), currency)} {currency}"
        case Type.DURATION:
            return duration_text(value)
        case _:
            return _number(value)


def _number(value: float) -> str:
    decimals = 2 if abs(value) >= 1 else 4
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
