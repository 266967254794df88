"""Records of the topics for tests of the history: payments, labels and decisions as they are published."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

DAY = 86_400_000
T0 = 1_772_582_400_000  # 2026-03-04T00:00:00Z


class LogRecord(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def payment(offset: int, account_id: str = "acct-1", at_ms: int = T0, **fields: Any) -> LogRecord:
    document = {
        "event_id": f"p-{offset}",
        "occurred_at": at_ms,
        "account_id": account_id,
        "amount": "12.50",
        "currency": "EUR",
        "direction": "debit",
    }
    partition = fields.pop("partition", 0)
    return LogRecord(partition, offset, at_ms + 5, account_id.encode(), msgspec.json.encode(document | fields))


def label(offset: int, event_id: str, account_id: str = "acct-1", at_ms: int = T0 + DAY, **fields: Any) -> LogRecord:
    document = {"event_id": event_id, "account_id": account_id, "label": "fraud", "labelled_at": at_ms}
    return LogRecord(
        0, offset, at_ms, account_id.encode(), msgspec.json.encode(document | fields), (("type", b"label"),)
    )


def decision(offset: int, event_id: str, account_id: str = "acct-1", at_ms: int = T0, **fields: Any) -> LogRecord:
    document = {
        "event_id": event_id,
        "account_id": account_id,
        "occurred_at_ms": at_ms,
        "outcome": "allow",
        "score": 0.1,
        "rule_set": "9a55d30f6c1b7e02",
    }
    return LogRecord(0, offset, at_ms + 9, account_id.encode(), msgspec.json.encode(document | fields))
