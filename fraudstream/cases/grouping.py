"""Groups alerts into cases: an alert joins the open case of its account, or opens one. Pure functions.

A case counts every alert and sums every amount, but lists only the newest `ALERTS_KEPT` alerts, or fewer if the case
would not fit into a Kafka record. Its severity and score are the highest of all its alerts.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec
from msgspec.structs import replace

from fraudstream.cases.amounts import AlertError, add_amount
from fraudstream.cases.refusal import acted_at_ms
from fraudstream.contracts import Alert, Case, CaseAction, CaseAlert, CaseNote
from fraudstream.contracts.fields import SEVERITIES

ALERTS_KEPT: Final = 200
ALERTS_BYTES_MAX: Final = 512 * 1024  # so that a case stays below 1 MB, the largest Kafka record
RULES_OF_ALERT_KEPT: Final = 100
RULES_OF_CASE_KEPT: Final = 500
PARTNERS_KEPT: Final = 50
NAME_CHARACTERS_MAX: Final = 128


def case_id_of(account_id: str, alert_id: str) -> str:
    """The id of the case that this alert opens, or the action `open` of this id: 32 hex digits, the same on every run.

    >>> case_id_of("acc-1", "a1") == case_id_of("acc-1", "a1") != case_id_of("acc-1a", "1")
    True
    """
    return blake2b(f"{len(account_id)}:{account_id}{alert_id}".encode(), digest_size=16, person=b"case").hexdigest()


def opened(alert: Alert) -> Case:
    """A new case with this alert, opened at the alert's time. Raises `AlertError`."""
    line = line_of(alert)
    return Case(
        case_id=case_id_of(alert.account_id, alert.alert_id),
        account_id=alert.account_id,
        status="new",
        version=1,
        opened_at_ms=alert.occurred_at_ms,
        updated_at_ms=alert.occurred_at_ms,
        severity=alert.severity,
        score=alert.score,
        alert_count=1,
        alerts=(line,),
        amount_totals=add_amount({}, line.amount, line.currency),
        rules=line.rules,
        partners=_with_partner((), alert),
    )


def opened_by_hand(action: CaseAction) -> Case:
    """A new case without alerts, as an analyst's action `open` makes it, with its reason as a note."""
    at_ms = acted_at_ms(action)
    assert action.severity is not None, "the contract requires it"
    return Case(
        case_id=action.case_id,
        account_id=action.account_id,
        status="new",
        version=1,
        opened_at_ms=at_ms,
        updated_at_ms=at_ms,
        severity=action.severity,
        score=0.0,
        alert_count=0,
        alerts=(),
        amount_totals={},
        rules=(),
        notes=(CaseNote(at_ms, action.actor, "open", action.note or ""),),
    )


def joined(case: Case, alert: Alert) -> Case:
    """The case with one more alert, which it must not have yet. Raises `AlertError`."""
    assert alert.account_id in case.accounts, f"alert of {alert.account_id} for a case of {case.account_id}"
    assert case.status != "closed", f"case {case.case_id} is closed"
    line = line_of(alert)
    if alert.account_id != case.account_id:
        line = replace(line, account_id=alert.account_id)
    return replace(
        case,
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, alert.occurred_at_ms),
        severity=max(case.severity, alert.severity, key=SEVERITIES.index),
        score=max(case.score, alert.score),
        alert_count=case.alert_count + 1,
        alerts=_newest((*case.alerts, line)),
        amount_totals=add_amount(case.amount_totals, line.amount, line.currency),
        rules=tuple(dict.fromkeys((*case.rules, *line.rules)))[:RULES_OF_CASE_KEPT],
        partners=_with_partner(case.partners, alert),
    )


def line_of(alert: Alert) -> CaseAlert:
    """The part of an alert that a case keeps. Shadow rules are left out, as they do not raise alerts. Raises
    `AlertError`."""
    rules = tuple(hit.rule for hit in alert.rules if not hit.shadow)[:RULES_OF_ALERT_KEPT]
    if max(map(len, (alert.alert_id, *rules))) > NAME_CHARACTERS_MAX:
        raise AlertError("invalid", f"an alert_id or rule of more than {NAME_CHARACTERS_MAX} characters", "$")
    return CaseAlert(
        alert_id=alert.alert_id,
        event_id=alert.event_id,
        occurred_at_ms=alert.occurred_at_ms,
        severity=alert.severity,
        score=alert.score,
        amount=alert.payment.amount,
        currency=alert.payment.currency,
        rules=rules,
        channel=alert.payment.channel,
        partner_id=alert.payment.partner_id,
        merchant_id=alert.payment.merchant_id,
    )


def _with_partner(partners: tuple[str, ...], alert: Alert) -> tuple[str, ...]:
    partner = alert.payment.partner_id
    if partner is None or partner in partners:
        return partners
    return (*partners, partner)[:PARTNERS_KEPT]


def _newest(lines: tuple[CaseAlert, ...]) -> tuple[CaseAlert, ...]:
    """The newest lines within both limits. A single line is far below them."""
    lines = lines[-ALERTS_KEPT:]
    left = ALERTS_BYTES_MAX
    for number in range(len(lines) - 1, -1, -1):
        left -= len(msgspec.json.encode(lines[number]))
        if left < 0:
            return lines[number + 1 :]
    return lines
