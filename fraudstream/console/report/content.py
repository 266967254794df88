"""What a report of a case holds, and its JSON form.

Times are ms since the epoch, UTC. Amounts are decimal strings in major units of their currency.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from fraudstream.contracts import CaseNote, CaseStep, Evidence, ScorePart
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.contracts.schemas import schema_of

PartyRole = Literal["subject", "counterparty", "merchant", "terminal", "device", "ip", "partner"]
EntryKind = Literal["payment", "alert", "opened", "step", "note"]
Completeness = Literal["complete", "partial", "none"]
FORMATS: Final = ("pdf", "json")


class ReportedCase(msgspec.Struct, frozen=True, omit_defaults=True):
    """The case itself. `amount_totals`: of its alerted payments, by currency. `other_accounts`: whose cases were merged
    into this one. `merged_into`: the case that has its alerts now; `split_from`: the one that its alerts were split off
    from."""

    case_id: str
    version: int
    status: str
    severity: str
    score: float
    opened_at_ms: int
    updated_at_ms: int
    alert_count: int
    amount_totals: dict[str, str]
    amount_at_risk: str | None = None
    queue: str | None = None
    assignee: str | None = None
    links: tuple[str, ...] = ()
    other_cases: tuple[str, ...] = ()
    other_accounts: tuple[str, ...] = ()
    merged_into: str | None = None
    split_from: str | None = None
    tags: tuple[str, ...] = ()


class ReportedDisposition(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the case was closed, or is to be closed if `proposed`. `approved_by`: the second person."""

    disposition: str
    proposed: bool
    by: str | None = None
    at_ms: int | None = None
    typology: str | None = None
    approved_by: str | None = None


class ReportedParty(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom or what the payments of the report name. `payments`: how many of them do; the first and the last."""

    role: PartyRole
    value: str
    payments: int
    first_ms: int | None = None
    last_ms: int | None = None


class ReportedPayment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment. `alert_id`: of its alert, if it has one in this case. `fields`: its other fields that are known, as
    text. `label`: what it turned out to be, as the history store has it. `account_id`: if it is another account's than
    the report's."""

    event_id: str
    occurred_at_ms: int
    amount: str
    currency: str
    alert_id: str | None = None
    severity: str | None = None
    score: float | None = None
    outcome: str | None = None
    rules: tuple[str, ...] = ()
    label: str | None = None
    fields: dict[str, str] = {}
    account_id: str | None = None


class ReportedRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that fired in `alerts` alerts, with the values of the newest of them. `evidence`: each of its comparisons.
    `normals`: what is usual for the account, by the left side of the comparison. `shadow`: it did not affect the
    outcome."""

    rule: str
    title: str
    severity: str
    message: str
    alerts: int
    evidence: tuple[Evidence, ...]
    normals: dict[str, str] = {}
    shadow: bool = False


class ReportedScore(msgspec.Struct, frozen=True, omit_defaults=True):
    """The score of the alert with the highest one, and its parts, the heaviest first."""

    score: float
    threshold: float
    parts: tuple[ScorePart, ...]


class TimelineEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened when. `actor`: who did it; None of a payment. `subject`: the action, or the payment's id.
    `amount`, `currency`: of the payment. `text`: the rules of an alert, or what the action says."""

    at_ms: int
    kind: EntryKind
    subject: str
    actor: str | None = None
    text: str | None = None
    amount: str | None = None
    currency: str | None = None


class ReportSources(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the report was made from, and what it therefore lacks. `alerts`: whether every listed alert could be read.
    `payments`: "complete" with the payments of the case's accounts in the history store since `payments_since_ms`;
    "none" means that the report has the payments of the alerts alone. `sentences`: the same, for people."""

    alerts: Completeness
    payments: Completeness
    sentences: tuple[str, ...]
    payments_since_ms: int | None = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """A case as a report. `identifiers`: whether those of people are shown, or only their ends. `language`: of the
    sentences. `parties`: the subject, which is the account, first, and after it other accounts of the case. `steps`:
    who did what to the case. `files`: what was added to it; the bytes are not in the report."""

    report: Literal["suspicious_activity"]
    created_at_ms: int
    created_by: str
    language: str
    identifiers: Literal["shown", "masked"]
    account_id: str
    case: ReportedCase
    narrative: tuple[str, ...]
    parties: tuple[ReportedParty, ...]
    payments: tuple[ReportedPayment, ...]
    timeline: tuple[TimelineEntry, ...]
    rules: tuple[ReportedRule, ...]
    notes: tuple[CaseNote, ...]
    steps: tuple[CaseStep, ...]
    sources: ReportSources
    disposition: ReportedDisposition | None = None
    score: ReportedScore | None = None
    files: tuple[AttachedFile, ...] = ()
    schema_version: int = 1


def json_of(report: Report) -> bytes:
    """The JSON form: UTF-8, indented, with a final line break."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def report_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the JSON form."""
    return schema_of(Report)
