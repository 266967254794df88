"""Payments and labels as bytes, and the check that every payment was counted once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from fraudstream.contracts import Alert

START_MS = 1_700_000_000_000  # when payment 0 occurred, ms since the epoch, UTC


def payment(number: int, account: str, **fields: object) -> bytes:
    """Payment `e<number>` of an account, `number` ms after `START_MS`, as JSON; `fields` are set or replaced."""
    return msgspec.json.encode(
        {
            "event_id": f"e{number}",
            "occurred_at": START_MS + number,
            "account_id": account,
            "amount": "12.50",
            "currency": "EUR",
            "direction": "debit",
            **fields,
        }
    )


def fraud_label(number: int, account: str) -> bytes:
    """The label `fraud` of payment `e<number>` of an account, as JSON."""
    return msgspec.json.encode(
        {
            "event_id": f"e{number}",
            "account_id": account,
            "label": "fraud",
            "labelled_at": START_MS + 100_000,
            "source": "test",
        }
    )


def assert_counted_once(alerts: Sequence[Alert], payments: int) -> None:
    """Assert that the alerts of each account count 2, 3, ... without a gap, `payments` payments in all, and that no
    payment has two verdicts or two alert ids. For alerts of `rules.RULES`."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    verdicts: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for alert in alerts:
        counts[alert.account_id][alert.event_id] = int(alert.rules[0].message)
        verdicts[alert.event_id].add((alert.alert_id, alert.verdict_digest))
    assert {event: found for event, found in verdicts.items() if len(found) > 1} == {}
    for account, by_event in counts.items():
        assert sorted(by_event.values()) == list(range(2, len(by_event) + 2)), account
    assert sum(len(by_event) + 1 for by_event in counts.values()) == payments
