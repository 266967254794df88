"""What a record of the topics `cases` and `alerts` means to others: the events, and their bodies. Pure.

A case record says what it came from: its version, and the step with that version. So an event needs no memory of the
record before, and the same record gives the same event with the same id, whenever it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from fraudstream.contracts import Alert, Case
from fraudstream.contracts.payment_identifiers import masked
from fraudstream.contracts.timestamps import utc_text
from fraudstream.webhooks.endpoints import EventKind


class WebhookEvent(NamedTuple):
    """An event. `event_id`: the same for the same record. `subject`: events of one subject are delivered in order.
    `account_id`: whole; the body has it as the endpoint may see it."""

    event_id: str
    kind: EventKind
    subject: str
    account_id: str
    at_ms: int
    data: dict[str, Any]

    def body(self, *, identifiers: bool) -> bytes:
        """The JSON body. `identifiers`: with the whole account id, not its end alone."""
        account = self.account_id if identifiers else masked(self.account_id)
        document = {"type": self.kind, "timestamp": utc_text(self.at_ms, "milliseconds")}
        return msgspec.json.encode(document | {"data": {"account_id": account, **self.data}})


def events_of_case(case: Case) -> Iterator[WebhookEvent]:
    """The events that a record of a case is."""
    if case.version == 1:
        yield _case_event(case, "case.opened", case.opened_at_ms)
    step = case.steps[-1] if case.steps and case.steps[-1].version == case.version else None
    if step is None:
        return
    if case.status == "closed":
        yield _case_event(case, "case.closed", step.at_ms)
    breach = step.action == "expire" and (step.detail or "").endswith("_breach")
    if case.status == "escalated" and (step.action == "escalate" or breach):
        yield _case_event(case, "case.escalated", step.at_ms)


def event_of_alert(alert: Alert) -> WebhookEvent:
    """The event that an alert is."""
    data = {
        "alert_id": alert.alert_id,
        "event_id": alert.event_id,
        "outcome": alert.outcome,
        "severity": alert.severity,
        "score": alert.score,
        "rules": [hit.rule for hit in alert.rules if not hit.shadow],
        "amount": alert.payment.amount,
        "currency": alert.payment.currency,
        "occurred_at_ms": alert.occurred_at_ms,
    }
    return WebhookEvent(
        f"alert.{alert.alert_id}", "alert", alert.account_id, alert.account_id, alert.occurred_at_ms, data
    )


def _case_event(case: Case, kind: EventKind, at_ms: int) -> WebhookEvent:
    data = {
        "case_id": case.case_id,
        "version": case.version,
        "status": case.status,
        "severity": case.severity,
        "score": case.score,
        "alert_count": case.alert_count,
        "amount_totals": case.amount_totals,
        "rules": case.rules,
        "queue": case.queue,
        "assignee": case.assignee,
        "escalated_to": case.escalated_to,
        "disposition": case.disposition,
        "typology": case.typology,
        "merged_into": case.merged_into,
        "opened_at_ms": case.opened_at_ms,
        "closed_at_ms": case.closed_at_ms,
    }
    known = {name: value for name, value in data.items() if value is not None}
    return WebhookEvent(f"{kind}.{case.case_id}.{case.version}", kind, case.case_id, case.account_id, at_ms, known)
