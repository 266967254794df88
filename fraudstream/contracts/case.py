"""A case: alerts of one account that are worked together; compacted topic `cases`, keyed by `case_id`.

The newest record of a case holds its complete state.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import force_setattr

from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.contracts.case_notices import CaseNotice
from fraudstream.contracts.case_timers import CaseClock, CaseSnooze, CaseTimer
from fraudstream.contracts.case_typologies import Typology
from fraudstream.contracts.case_values import (
    Disposition,
    RecordedAction,
    StoredDisposition,
    StoredStatus,
    WaitingFor,
    present_disposition,
    present_status,
)
from fraudstream.contracts.fields import Channel, Identifier, Severity, Tag, Text

POSITION_KEY: Final = b"position"  # of records of the topic that are no cases, but the case agent's own


class CaseAlert(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Summary of an alert, as its case stores it; the complete alert is on the `alerts` topic under `alert_id`.

    `channel`, `partner_id`, `merchant_id`: of its payment; absent in records of earlier releases. `account_id`: if it
    is another account's than the case's, as after a merge.
    """

    alert_id: str
    event_id: Identifier
    occurred_at_ms: int
    severity: Severity
    score: float
    amount: str
    currency: str
    rules: tuple[str, ...]
    channel: Channel | None = None
    partner_id: Identifier | None = None
    merchant_id: Identifier | None = None
    account_id: Identifier | None = None


class CaseNote(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A text that an analyst wrote on a case, with the action that it came with. It is never changed or removed.

    `at_ms`: when the analyst acted, ms since the epoch, UTC, as the action states.
    """

    at_ms: int
    actor: Identifier
    action: RecordedAction
    text: Text


class CaseProposal(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A closing that a second person is to approve. `actor`, `at_ms`: who proposed it, and when."""

    actor: Identifier
    at_ms: int
    disposition: Disposition
    typology: Typology | None = None


class CaseAssignment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a case was assigned by its queue. `number`: counts these assignments of the queue in one partition."""

    queue: Identifier
    analyst: Identifier
    number: int


class CaseStep(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An action that took effect: who did what, and the version of the case after it.

    `at_ms`: as the action states it, ms since the epoch, UTC. `detail`: to whom, for how long, as what: the plain value
    that the action has, such as the name of an assignee, a disposition or a timer.
    """

    at_ms: int
    actor: Identifier
    action: RecordedAction
    version: int
    detail: Text | None = None


class Case(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The complete state of a case. `version` counts its changes from 1.

    Times are event times, ms since the epoch, UTC; `opened_at_ms` is the event time of the first alert, or when
    it was opened by hand. `alerts` keeps
    the newest 200 in order of arrival; `alert_count` counts all. `amount_totals`: sum by currency, as decimal strings.
    `assignee`: who works it, or did when it was closed. `waiting_for`: whose answer, while it is `waiting`.
    `escalated_to`: the queue or role that it was escalated to, until it is released or reopened. `links`: ids of other
    cases. `disposition`, `typology` (of a confirmed fraud), `closed_by`, `closed_at_ms`: how, by whom and when it was
    closed; absent again once it is reopened. `notes`: every note, in the order of the log.

    `queue`, `amount_at_risk` (decimal string in the policy's base currency): as the policy of the case agent has it, if
    there is one. `clock`, `timers`, `warned_at_ms`, `breached_at_ms`: the state of its service level, and what becomes
    due. `snooze`: while it is put aside. `proposal`: how it is to be closed, until a second person has approved or
    rejected it; `approved_by`: who has. `steps`: the newest actions that took effect, in the order of the log; cases of
    earlier builds have those since. `notices`: what its customer was asked, in the order of the log.

    `partners`: through which the payments of its alerts came, the first 50.
    `tags`: in the order that they were added. `other_accounts`: whose cases were merged into this one; while it is not
    closed their new alerts join it. `merged_into`: the case that has its alerts and notes now; it was closed by that,
    without a disposition. `split_from`: the case that its alerts were split off from; no new alert joins it.
    `assignment`: the last one that the queue has made by itself.
    `files`: those that were added and not removed, in the order of the log.
    `amount_before_split`: at risk in the case before alerts were split off, if that was more: approvals go by it.

    Records of earlier builds have the statuses open and claimed, and the dispositions fraud and genuine.
    """

    case_id: str
    account_id: Identifier
    status: StoredStatus
    version: int
    opened_at_ms: int
    updated_at_ms: int
    severity: Severity
    score: float
    alert_count: int
    alerts: tuple[CaseAlert, ...]
    amount_totals: dict[str, str]
    rules: tuple[str, ...]
    assignee: Identifier | None = None
    disposition: StoredDisposition | None = None
    closed_by: Identifier | None = None
    closed_at_ms: int | None = None
    notes: tuple[CaseNote, ...] = ()
    schema_version: int = 1
    typology: Typology | None = None
    waiting_for: WaitingFor | None = None
    escalated_to: Identifier | None = None
    links: tuple[Identifier, ...] = ()
    queue: Identifier | None = None
    amount_at_risk: str | None = None
    clock: CaseClock | None = None
    timers: tuple[CaseTimer, ...] = ()
    warned_at_ms: int | None = None
    breached_at_ms: int | None = None
    snooze: CaseSnooze | None = None
    proposal: CaseProposal | None = None
    approved_by: Identifier | None = None
    partners: tuple[Identifier, ...] = ()
    tags: tuple[Tag, ...] = ()
    other_accounts: tuple[Identifier, ...] = ()
    merged_into: Identifier | None = None
    split_from: Identifier | None = None
    amount_before_split: str | None = None
    assignment: CaseAssignment | None = None
    steps: tuple[CaseStep, ...] = ()
    notices: tuple[CaseNotice, ...] = ()
    files: tuple[AttachedFile, ...] = ()

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account of the case, its own first."""
        return (self.account_id, *self.other_accounts)

    def account_of(self, line: CaseAlert) -> str:
        """The account of one of the case's alerts."""
        return line.account_id or self.account_id

    def __post_init__(self) -> None:
        force_setattr(self, "status", present_status(self.status))
        if self.disposition is not None:
            force_setattr(self, "disposition", present_disposition(self.disposition))
