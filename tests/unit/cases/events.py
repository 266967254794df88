"""Alerts and actions for the tests of cases."""

from typing import Any

from fraudstream.contracts import Alert, CaseAction, NoticeAnswer, Payment, RuleHit
from fraudstream.contracts.attached_file import FileDescription


def alert(
    alert_id: str = "a1", account_id: str = "acc-1", amount: str = "10.00", currency: str = "EUR", **fields: Any
) -> Alert:
    occurred_at_ms = fields.pop("occurred_at_ms", 1_000)
    rules = fields.pop("rules", ("takeover/new_device",))
    values: dict[str, Any] = {
        "alert_id": alert_id,
        "verdict_digest": "0" * 16,
        "event_id": f"event-of-{alert_id}",
        "account_id": account_id,
        "occurred_at_ms": occurred_at_ms,
        "outcome": "review",
        "severity": "medium",
        "score": 0.5,
        "score_threshold": 0.8,
        "rule_set": "0" * 16,
        "rules": tuple(rule(name) for name in rules),
        "score_parts": (),
        "features": (),
        "payment": Payment(
            event_id=f"event-of-{alert_id}",
            occurred_at=occurred_at_ms,
            account_id=account_id,
            amount=amount,
            currency=currency,
            direction="debit",
        ),
    }
    return Alert(**(values | fields))


def rule(name: str, shadow: bool = False) -> RuleHit:
    return RuleHit(rule=name, rule_id=name, title=name, severity="medium", message="", evidence=(), shadow=shadow)


def action(name: Any, case_id: str, actor: str = "ann", action_id: str | None = None, **fields: Any) -> CaseAction:
    values: dict[str, Any] = {
        "action_id": action_id or f"{name}-by-{actor}",
        "case_id": case_id,
        "account_id": "acc-1",
        "action": name,
        "actor": actor,
        "acted_at": 5_000,
    }
    return CaseAction(**(values | fields))


def description(digit: str = "a", **fields: Any) -> FileDescription:
    """A file whose digest is one digit 64 times."""
    values: dict[str, Any] = {"sha256": digit * 64, "file_name": f"{digit}.pdf", "size_bytes": 10}
    return FileDescription(**(values | fields))


NOTICE_ID = "0123456789abcdef" * 2


def ask(case_id: str, actor: str = "ann", **fields: Any) -> CaseAction:
    """Asks the customer about the payment of the alert `a1`, until 60,000 ms."""
    values: dict[str, Any] = {"event_id": "event-of-a1", "until": 60_000, "notice_id": NOTICE_ID}
    return action("ask", case_id, actor, **(values | fields))


def answer(reply: Any = "not_me", **fields: Any) -> NoticeAnswer:
    values: dict[str, Any] = {
        "answer_id": "app-1",
        "notice_id": NOTICE_ID,
        "account_id": "acc-1",
        "reply": reply,
        "answered_at": 20_000,
    }
    return NoticeAnswer(**(values | fields))
