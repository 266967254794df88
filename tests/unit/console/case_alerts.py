"""A case with its alerts on a console under test."""

from __future__ import annotations

from typing import Any

from fraudstream.contracts import Alert, Case, CaseAlert
from tests.unit.console.console_app import ConsoleUnderTest, case

CASE = "c" * 32


def line_of(each: Alert) -> CaseAlert:
    return CaseAlert(
        alert_id=each.alert_id,
        event_id=each.event_id,
        occurred_at_ms=each.occurred_at_ms,
        severity=each.severity,
        score=each.score,
        amount=each.payment.amount,
        currency=each.payment.currency,
        rules=tuple(hit.rule for hit in each.rules),
        channel=each.payment.channel,
        partner_id=each.payment.partner_id,
    )


async def put(console: ConsoleUnderTest, *alerts: Alert, **fields: Any) -> Case:
    """A case with these alerts, on the view and in the queue."""
    console.alerts |= {each.alert_id: each for each in alerts}
    lines = tuple(map(line_of, alerts))
    found = case(CASE, alerts=lines, alert_count=len(lines), **fields)
    await console.put(found)
    return found
