"""The alerts of a batch as JSON: the bytes that msgspec makes of each `Alert`, put together from prepared pieces.

What does not depend on the payment is encoded once; most values in the rest are counts and words, whose JSON is
remembered. The verdict digest is that of the alert with an empty digest, so it is spliced into the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from fraudstream.contracts.alert import Alert
from fraudstream.contracts.fields import Outcome, Severity
from fraudstream.engine.arrays import BoolArray, Int8Array, Int32Array, Int64Array, UInt64Array
from fraudstream.engine.explanation import Explainer
from fraudstream.engine.json_template import SLOT, template
from fraudstream.engine.partition_state import Finding
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX, threshold

_REMEMBERED_MAX: Final = 4096  # templates, and texts of scores
_DIGEST_KEY: Final = b'"verdict_digest":"'

_encode = msgspec.json.Encoder().encode


class AlertedPayments(Protocol):
    """The part of `Verdicts` that alerts are made of; each member is documented there."""

    @property
    def rule_set(self) -> RuleSet: ...  # noqa: D102

    @property
    def explainer(self) -> Explainer: ...  # noqa: D102

    @property
    def findings(self) -> Sequence[Finding]: ...  # noqa: D102

    @property
    def finding(self) -> Int64Array: ...  # noqa: D102

    @property
    def late(self) -> BoolArray: ...  # noqa: D102

    @property
    def unmatched(self) -> UInt64Array: ...  # noqa: D102

    @property
    def score_points(self) -> Int32Array: ...  # noqa: D102

    @property
    def error(self) -> Int8Array: ...  # noqa: D102

    @property
    def since_ms(self) -> Int64Array: ...  # noqa: D102

    @property
    def occurred_at_ms(self) -> Int64Array: ...  # noqa: D102

    @property
    def alert_rows(self) -> Int64Array: ...  # noqa: D102

    @property
    def alert_digests(self) -> list[bytes]: ...  # noqa: D102

    @property
    def rules_of_alerts(self) -> list[tuple[int, ...]]: ...  # noqa: D102

    def contributions(self, rows: Int64Array) -> Int64Array: ...  # noqa: D102

    def entities_in(self, bits: int) -> tuple[str, ...]: ...  # noqa: D102

    def row(self, row: int) -> PaymentRow: ...  # noqa: D102


def alert_values(verdicts: AlertedPayments) -> list[bytes]:
    """The alert of each payment in `verdicts.alerted`, in order, as JSON."""
    rows = verdicts.alert_rows
    if not len(rows):
        return []
    contributions = verdicts.contributions(rows).T.tolist()
    templates: dict[tuple[int, bool, int], bytes] = {}
    return [
        _value(verdicts, templates, at, digest.hex(), fired, points)
        for at, digest, fired, points in zip(
            rows.tolist(), verdicts.alert_digests, verdicts.rules_of_alerts, contributions, strict=True
        )
    ]


def _value(
    verdicts: AlertedPayments,
    templates: dict[tuple[int, bool, int], bytes],
    at: int,
    alert_id: str,
    fired: tuple[int, ...],
    contributions: Sequence[int],
) -> bytes:
    """The alert of one payment. `templates`: made for these verdicts so far, by what their texts depend on. `fired`:
    the rules that fired. `contributions`: points of each part of the score."""
    row, explainer = verdicts.row(at), verdicts.explainer
    payment, parts = row.payment, explainer.score_parts(row, contributions) if any(contributions) else []
    kind = verdicts.finding.item(at), verdicts.late.item(at), verdicts.unmatched.item(at)
    prepared = templates.get(kind)
    if prepared is None:
        prepared = templates[kind] = _template_of(verdicts, kind, explainer.severity(fired))
    value = prepared % (
        _encode(alert_id),
        _encode(payment.event_id),
        _encode(payment.account_id),
        b"%d" % verdicts.occurred_at_ms.item(at),
        _score(verdicts.score_points.item(at)),
        explainer.hits(row, fired),
        _encode(parts),
        explainer.features(row, fired, parts, verdicts.error, verdicts.since_ms.item(at)),
        _encode(payment),
    )
    digest = blake2b(value, digest_size=8).hexdigest().encode()
    begin = value.index(_DIGEST_KEY) + len(_DIGEST_KEY)
    return b"%b%b%b" % (value[:begin], digest, value[begin:])


def _template_of(verdicts: AlertedPayments, kind: tuple[int, bool, int], severity: Severity) -> bytes:
    """The template of the alerts with that finding, `late` and `unmatched`."""
    finding, late, unmatched = kind
    return _template(
        verdicts.findings[finding].outcome,
        severity,
        threshold(verdicts.rule_set.scorer),
        verdicts.rule_set.digest,
        late,
        verdicts.entities_in(unmatched),
    )


@lru_cache(_REMEMBERED_MAX)
def _template(
    outcome: Outcome,
    severity: Severity,
    score_threshold: float,
    rule_set: str,
    late: bool,
    unmatched: tuple[str, ...],
) -> bytes:
    """An alert without a digest, with slots for what depends on the payment."""
    return template(
        Alert(
            alert_id=SLOT,
            verdict_digest="",
            event_id=SLOT,
            account_id=SLOT,
            occurred_at_ms=SLOT,
            outcome=outcome,
            severity=severity,
            score=SLOT,
            score_threshold=score_threshold,
            rule_set=rule_set,
            rules=SLOT,
            score_parts=SLOT,
            features=SLOT,
            payment=SLOT,
            late=late,
            unmatched=unmatched,
        )
    )


@lru_cache(_REMEMBERED_MAX)
def _score(points: int) -> bytes:
    return _encode(points / POINTS_MAX)
