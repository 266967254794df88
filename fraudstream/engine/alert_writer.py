"""The alerts of a batch as JSON: the bytes that msgspec makes of each `Alert`, put together from prepared pieces.

What does not depend on the payment is encoded once; most values in the rest are counts and words, whose JSON is
remembered. The verdict digest is that of the alert with an empty digest, so it is spliced into the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from fraudstream.contracts.alert import Alert
from fraudstream.contracts.fields import Outcome, Severity
from fraudstream.engine.json_template import SLOT, template
from fraudstream.engine.scorer import POINTS_MAX, threshold
from fraudstream.engine.verdict import Verdicts

_REMEMBERED_MAX: Final = 4096  # templates, and texts of scores
_DIGEST_KEY: Final = b'"verdict_digest":"'

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Alert).decode


def alert_values(verdicts: Verdicts) -> list[bytes]:
    """The alert of each payment in `verdicts.alerted`, in order, as JSON."""
    rows = verdicts.alert_rows
    if not len(rows):
        return []
    contributions, rarities = verdicts.contributions(rows).T.tolist(), verdicts.scores.rarities(rows)
    templates: dict[tuple[int, bool, int], bytes] = {}
    return [
        _value(verdicts, templates, at, digest.hex(), fired, points, rare, shadow)
        for at, digest, fired, points, rare, shadow in zip(
            rows.tolist(),
            verdicts.alert_digests,
            verdicts.rules_of_alerts,
            contributions,
            rarities,
            verdicts.shadow_scores(rows),
            strict=True,
        )
    ]


def decoded_alerts(verdicts: Verdicts) -> list[Alert]:
    """The same alerts, decoded: takes three times as long."""
    return [_decode(value) for value in alert_values(verdicts)]


def _value(
    verdicts: Verdicts,
    templates: dict[tuple[int, bool, int], bytes],
    at: int,
    alert_id: str,
    fired: tuple[int, ...],
    contributions: Sequence[int],
    rarities: Mapping[str, int],
    shadow_scores: Mapping[str, float],
) -> bytes:
    """The alert of one payment. `templates`: made for these verdicts so far, by what their texts depend on. `fired`:
    the rules that fired. `contributions`: points of each part of the score; `rarities`: as of `Scores.rarities`.
    `shadow_scores`: as in `Decision`."""
    row, explainer = verdicts.row(at), verdicts.explainer
    payment, parts = row.payment, explainer.score_parts(row, contributions, rarities) if any(contributions) else []
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
        *([_encode(shadow_scores)] if shadow_scores else ()),
    )
    digest = blake2b(value, digest_size=8).hexdigest().encode()
    begin = value.index(_DIGEST_KEY) + len(_DIGEST_KEY)
    return b"%b%b%b" % (value[:begin], digest, value[begin:])


def _template_of(verdicts: Verdicts, kind: tuple[int, bool, int], severity: Severity) -> bytes:
    """The template of the alerts with that finding, `late` and `unmatched`."""
    finding, late, unmatched = kind
    return _template(
        verdicts.findings[finding].outcome,
        severity,
        threshold(verdicts.rule_set.scorer),
        verdicts.rule_set.digest,
        late,
        verdicts.entities_in(unmatched),
        bool(verdicts.shadow_points),
    )


@lru_cache(_REMEMBERED_MAX)
def _template(
    outcome: Outcome,
    severity: Severity,
    score_threshold: float,
    rule_set: str,
    late: bool,
    unmatched: tuple[str, ...],
    has_shadow_scores: bool,
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
            shadow_scores=SLOT if has_shadow_scores else {},
        )
    )


@lru_cache(_REMEMBERED_MAX)
def _score(points: int) -> bytes:
    return _encode(points / POINTS_MAX)
