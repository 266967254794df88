"""Past payments on a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from fraudstream.cli import verdict_text
from fraudstream.cli.verdict_text import indented, time_text
from fraudstream.contracts import amount_text
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.history.answers import PastPayment, Summary


def print_payments(account_id: str, days: int, summary: Summary, payments: Sequence[PastPayment]) -> None:
    """Print the totals of an account, then its payments."""
    console = verdict_text.console()
    console.print(Text(f"{account_id}: {summary.payments:,} payments in the last {days} days of the history", "bold"))
    for total in summary.totals:
        amount = amount_text(total.amount_minor, total.currency)
        console.print(indented(f"{total.direction}: {total.payments:,}, {amount} {total.currency}"))
    if summary.payments > len(payments):
        console.print(indented(f"the newest {len(payments)}:"))
    for payment in payments:
        console.print(indented(_line(payment)))


def payment_document(payment: PastPayment) -> dict[str, object]:
    """A payment with its decision as a JSON object; amounts are decimal strings in major units."""
    fields = dict(payment.fields)
    for name in ("balance_before", "balance_after"):
        minor = fields.pop(f"{name}_minor", None)
        if isinstance(minor, int):
            fields[name] = amount_text(minor, payment.currency)
    return {
        "event_id": payment.event_id,
        "account_id": payment.account_id,
        "occurred_at": utc_text(payment.occurred_at_ms, "shortest"),
        "amount": amount_text(payment.amount_minor, payment.currency),
        "currency": payment.currency,
        **fields,
        "outcome": payment.outcome,
        "score": payment.score,
        "rules": payment.rules,
        "alert_id": payment.alert_id,
        "label": payment.label,
    }


def _line(payment: PastPayment) -> str:
    amount = f"{amount_text(payment.amount_minor, payment.currency)} {payment.currency}"
    where = [payment.text(name) for name in ("direction", "kind", "channel", "counterparty_id", "merchant_id")]
    verdict = [payment.outcome or "no decision", *([", ".join(payment.rules)] if payment.rules else [])]
    if payment.label is not None:
        verdict.append(f"labelled {payment.label}")
    parts = [time_text(payment.occurred_at_ms), payment.event_id, amount, *filter(None, where)]
    return f"{' '.join(parts)}: {'; '.join(verdict)}"
