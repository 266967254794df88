"""Why a case was raised: its alerts' rules, comparisons, score parts and payments, arranged for a page. Pure functions.

The alerts of a case may have fired the same rule many times. A rule is shown once, with the newest alert's values, and
with how many alerts it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from fraudstream.console.quantity import Quantity, quantity_of
from fraudstream.contracts import Alert, Case, CaseAlert, Evidence, RuleHit, ScorePart
from fraudstream.contracts.fields import SEVERITIES, Severity

PARTS_SHOWN_MAX: Final = 10
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_USUAL_AMOUNTS: Final = ("account.amount_mean_30d", "account.amount_median_30d", "account.amount_mean_7d")
_FIRST_FIELDS: Final = ("kind", "direction", "channel", "counterparty_id", "merchant_id", "device_id", "ip", "country")
_SHOWN_ALREADY: Final = frozenset(("event_id", "occurred_at", "account_id", "amount", "currency", "schema_version"))


class Measured(NamedTuple):
    """A comparison of numbers. `normal`: name and value of the feature of the account that tells what is usual."""

    left: str
    operator: str
    right: str
    value: str
    threshold: str
    normal: tuple[str, str] | None
    value_quantity: Quantity
    threshold_quantity: Quantity
    normal_quantity: Quantity | None


class RuleReason(NamedTuple):
    """A rule that fired in `alerts` alerts. `measured`: its comparisons of numbers; `conditions`: all others."""

    rule: str
    title: str
    severity: Severity
    message: str
    shadow: bool
    alerts: int
    measured: tuple[Measured, ...]
    conditions: tuple[Evidence, ...]


class ScoreReason(NamedTuple):
    """The score of one alert: its `PARTS_SHOWN_MAX` heaviest parts in the order of their weight, and all `others`.

    `in_bits`: the points are bits, which add up to the log odds of the score; else they add up to the score.
    """

    score: float
    threshold: float
    parts: tuple[ScorePart, ...]
    others: tuple[ScorePart, ...]
    in_bits: bool

    @property
    def others_points(self) -> float:
        """The sum of the other parts."""
        return math.fsum(part.points for part in self.others)


class PaymentLine(NamedTuple):
    """One alert's payment. `fields`: text by column; empty if the alert itself could not be read."""

    alert: CaseAlert
    outcome: str | None
    fields: Mapping[str, str]


class PaymentTable(NamedTuple):
    """The payments of a case, the newest first, with the columns that at least one of them has."""

    columns: tuple[str, ...]
    lines: tuple[PaymentLine, ...]


class CaseReasons(NamedTuple):
    """All reasons of a case. `score`: that of the alert with the highest score; None if no alert with parts could be
    read."""

    rules: tuple[RuleReason, ...]
    score: ScoreReason | None
    payments: PaymentTable


def reasons_of(case: Case, alerts: Mapping[str, Alert]) -> CaseReasons:
    """The reasons of `case`. `alerts`: those that could be read, by id."""
    newest_first = sorted(alerts.values(), key=lambda alert: alert.occurred_at_ms, reverse=True)
    return CaseReasons(_rules(newest_first), _score(newest_first), _payments(case, alerts))


def _rules(newest_first: Sequence[Alert]) -> tuple[RuleReason, ...]:
    """The most severe first; of the same severity the most frequent. Rules in shadow come last."""
    found: dict[str, tuple[RuleHit, Alert, int]] = {}
    for alert in newest_first:
        for hit in alert.rules:
            first_hit, first_alert, count = found.get(hit.rule, (hit, alert, 0))
            found[hit.rule] = (first_hit, first_alert, count + 1)
    reasons = [_rule(hit, alert, count) for hit, alert, count in found.values()]
    return tuple(
        sorted(reasons, key=lambda rule: (rule.shadow, -SEVERITIES.index(rule.severity), -rule.alerts, rule.rule))
    )


def _rule(hit: RuleHit, alert: Alert, count: int) -> RuleReason:
    features = {feature.feature: feature.value for feature in alert.features}
    measured, conditions = [], []
    for evidence in hit.evidence:
        if (comparison := _measured(evidence, features)) is not None:
            measured.append(comparison)
        else:
            conditions.append(evidence)
    return RuleReason(
        hit.rule, hit.title, hit.severity, hit.message, hit.shadow, count, tuple(measured), tuple(conditions)
    )


def _measured(evidence: Evidence, features: Mapping[str, str]) -> Measured | None:
    """The comparison, if both sides are numbers of the same unit."""
    value, threshold = quantity_of(evidence.value), quantity_of(evidence.threshold)
    if value is None or threshold is None or value.unit != threshold.unit:
        return None
    normal = _normal(evidence, features)
    normal_quantity = None if normal is None else quantity_of(normal[1])
    if normal_quantity is not None and normal_quantity.unit != value.unit:
        normal_quantity = None
    return Measured(
        evidence.left,
        evidence.operator,
        evidence.right,
        evidence.value,
        evidence.threshold,
        normal,
        value,
        threshold,
        normal_quantity,
    )


def _normal(evidence: Evidence, features: Mapping[str, str]) -> tuple[str, str] | None:
    """What is usual for the account: the feature that the threshold is made of, else, for an amount, its mean."""
    candidates = [*_NAME.findall(evidence.right), *(_USUAL_AMOUNTS if evidence.left == "amount" else ())]
    return next(((name, features[name]) for name in candidates if name in features), None)


def _score(newest_first: Sequence[Alert]) -> ScoreReason | None:
    with_parts = [alert for alert in newest_first if alert.score_parts]
    if not with_parts:
        return None
    alert = max(with_parts, key=lambda each: each.score)
    parts = sorted(alert.score_parts, key=lambda part: -abs(part.points))
    shown, others = tuple(parts[:PARTS_SHOWN_MAX]), tuple(parts[PARTS_SHOWN_MAX:])
    in_bits = any(part.unit == "bits" for part in parts)
    return ScoreReason(alert.score, alert.score_threshold, shown, others, in_bits)


def _payments(case: Case, alerts: Mapping[str, Alert]) -> PaymentTable:
    lines = [_line(line, alerts.get(line.alert_id)) for line in case.alerts]
    lines.sort(key=lambda line: line.alert.occurred_at_ms, reverse=True)
    present = dict.fromkeys(name for line in lines for name in line.fields)
    first = [name for name in _FIRST_FIELDS if name in present]
    return PaymentTable((*first, *(name for name in present if name not in first)), tuple(lines))


def _line(line: CaseAlert, alert: Alert | None) -> PaymentLine:
    if alert is None:
        return PaymentLine(line, None, {})
    payment = alert.payment
    fields = {name: getattr(payment, name) for name in payment.__struct_fields__ if name not in _SHOWN_ALREADY}
    fields |= {f"attributes.{name}": value for name, value in (fields.pop("attributes") or {}).items()}
    return PaymentLine(
        line, alert.outcome, {name: _plain(value) for name, value in fields.items() if value is not None}
    )


def _plain(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
