"""A case as a row of the queue: what lists, filters and orders need, without its alerts and notes."""

from __future__ import annotations

import msgspec

from fraudstream.cases.view import urgency
from fraudstream.contracts import Case
from fraudstream.contracts.case_values import CaseStatus, Disposition, WaitingFor
from fraudstream.contracts.fields import Severity


class CaseRow(msgspec.Struct, frozen=True):
    """The row of a case at one version. `partition`: of the topic `cases`. `urgency`: see `cases.view.urgency`.

    `typologies`: of its rules, sorted. `event_ids`: of the payments that it lists. Times are ms since the epoch, UTC.
    """

    case_id: str
    account_id: str
    status: CaseStatus
    version: int
    partition: int
    severity: Severity
    score: float
    urgency: int
    opened_at_ms: int
    updated_at_ms: int
    alert_count: int
    amount_totals: dict[str, str]
    rules: tuple[str, ...]
    typologies: tuple[str, ...]
    event_ids: tuple[str, ...]
    assignee: str | None
    waiting_for: WaitingFor | None
    escalated_to: str | None
    disposition: Disposition | None


def row_of(case: Case, partition: int) -> CaseRow:
    """The row of `case`."""
    return CaseRow(
        case_id=case.case_id,
        account_id=case.account_id,
        status=case.status,
        version=case.version,
        partition=partition,
        severity=case.severity,
        score=case.score,
        urgency=urgency(case),
        opened_at_ms=case.opened_at_ms,
        updated_at_ms=case.updated_at_ms,
        alert_count=case.alert_count,
        amount_totals=case.amount_totals,
        rules=case.rules,
        typologies=tuple(sorted({typology_of(rule) for rule in case.rules})),
        event_ids=tuple(line.event_id for line in case.alerts),
        assignee=case.assignee,
        waiting_for=case.waiting_for,
        escalated_to=case.escalated_to,
        disposition=case.disposition,
    )


def typology_of(rule: str) -> str:
    """The typology in a rule's name.

    >>> typology_of("account_takeover/large_from_new_device")
    'account_takeover'
    """
    return rule.partition("/")[0]
