"""A case as a row of the queue: what lists, filters and orders need, without its alerts and notes."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from fraudstream.cases.priority import urgency
from fraudstream.cases.timers import live_timers
from fraudstream.contracts import Case
from fraudstream.contracts.case import CaseProposal
from fraudstream.contracts.case_values import CaseStatus, Disposition, WaitingFor
from fraudstream.contracts.fields import Severity

SNOOZED: Final = "snoozed"
PROPOSED: Final = "proposed"
MERGED: Final = "merged"

Level = Literal["warned", "breached"]  # what the service level of a case has come to
LEVELS: Final[tuple[Level, ...]] = get_args(Level)


class CaseRow(msgspec.Struct, frozen=True, gc=False):
    """The row of a case at one version. `partition`: of the topic `cases`. `urgency`: see `cases.priority`.

    `breach_due_ms`: when its service level will be breached next; `level`: what it has come to.
    `typologies`: of its rules. `channels`: of the payments of its listed alerts; `partners`: of those of all alerts.
    All three are sorted. Times are ms since the epoch, UTC.
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
    assignee: str | None
    waiting_for: WaitingFor | None
    escalated_to: str | None
    disposition: Disposition | None
    queue: str | None
    tags: tuple[str, ...]
    other_accounts: tuple[str, ...]
    merged_into: str | None
    snoozed_until_ms: int | None
    proposal: CaseProposal | None
    breach_due_ms: int | None
    level: Level | None
    channels: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()

    @property
    def result(self) -> str | None:
        """Its disposition, or `MERGED`; None while it is not closed."""
        return MERGED if self.merged_into is not None else self.disposition

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account of the case, its own first."""
        return (self.account_id, *self.other_accounts)

    @property
    def state(self) -> str:
        """Its status, or `SNOOZED` while it is put aside, `PROPOSED` while its closing is to be approved."""
        return PROPOSED if self.proposal is not None else SNOOZED if self.snoozed_until_ms is not None else self.status


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
        assignee=case.assignee,
        waiting_for=case.waiting_for,
        escalated_to=case.escalated_to,
        disposition=case.disposition,
        queue=case.queue,
        tags=case.tags,
        other_accounts=case.other_accounts,
        merged_into=case.merged_into,
        snoozed_until_ms=None if case.snooze is None else case.snooze.until_ms,
        proposal=case.proposal,
        breach_due_ms=_breach_due_ms(case) if case.timers else None,
        level="breached" if case.breached_at_ms is not None else "warned" if case.warned_at_ms is not None else None,
        channels=tuple(sorted({line.channel for line in case.alerts if line.channel is not None})),
        partners=tuple(sorted(case.partners)),
    )


def _breach_due_ms(case: Case) -> int | None:
    return min((each.due_at_ms for each in live_timers(case) if each.name.endswith("_breach")), default=None)


def typology_of(rule: str) -> str:
    """The typology in a rule's name.

    >>> typology_of("account_takeover/large_from_new_device")
    'account_takeover'
    """
    return rule.partition("/")[0]
