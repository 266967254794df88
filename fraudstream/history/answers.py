"""What the reader of the store answers with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from fraudstream.history.tables import LinkKind

# The fields whose different values a summary counts.
COUNTED: Final = (
    "account_id", "channel", "country", "counterparty_id", "device_id", "ip", "merchant_id", "partner_id", "terminal_id"
)  # fmt: skip


class PageKey(NamedTuple):
    """A payment's place in the order of a page, the newest first: where the next page begins."""

    occurred_at_ms: int
    event_id: str


class PastPayment(NamedTuple):
    """A payment with its first decision and its newest label. `fields`: its other fields that have a value, by name;
    amounts of `fields` are minor units. `outcome`: None if the store has no decision on it."""

    event_id: str
    account_id: str
    occurred_at_ms: int
    amount_minor: int
    currency: str
    fields: dict[str, object]
    outcome: str | None
    score: float | None
    rules: tuple[str, ...]
    alert_id: str | None
    label: str | None

    @property
    def key(self) -> PageKey:
        """Its place in the order of a page."""
        return PageKey(self.occurred_at_ms, self.event_id)

    def text(self, name: str) -> str | None:
        """A field as text; None if it has no value."""
        value = self.fields.get(name)
        return None if value is None else str(value)

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude, in degrees; None if they are not known."""
        lat, lon = self.fields.get("lat"), self.fields.get("lon")
        return (lat, lon) if isinstance(lat, float) and isinstance(lon, float) else None


class Total(NamedTuple):
    """The payments of one currency and direction. `amount_minor`: their sum, minor units."""

    currency: str
    direction: str
    payments: int
    amount_minor: int


class Summary(NamedTuple):
    """The payments of an account, or with a device, merchant and so on. Times are ms since the epoch; None if there are
    no payments. `distinct`: how many different values, by the name of the field."""

    totals: tuple[Total, ...]
    first_ms: int | None
    last_ms: int | None
    distinct: dict[str, int]

    @property
    def payments(self) -> int:
        """How many there are."""
        return sum(total.payments for total in self.totals)


def summary_of(payments: Sequence[PastPayment]) -> Summary:
    """The summary of payments that are all there is."""
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for payment in payments:
        key = payment.currency, str(payment.fields["direction"])
        count, minor = totals.get(key, (0, 0))
        totals[key] = count + 1, minor + payment.amount_minor
    distinct = {name: {payment.text(name) for payment in payments} - {None} for name in COUNTED if name != "account_id"}
    times = [payment.occurred_at_ms for payment in payments]
    return Summary(
        tuple(
            sorted(
                (Total(*key, *value) for key, value in totals.items()),
                key=lambda total: (-total.payments, total.currency, total.direction),
            )
        ),
        min(times, default=None),
        max(times, default=None),
        {"account_id": len({payment.account_id for payment in payments})}
        | {name: len(values) for name, values in distinct.items()},
    )


class Link(NamedTuple):
    """What an account has used: `value` of `kind`, in so many payments. `accounts`: how many accounts have."""

    kind: LinkKind
    value: str
    payments: int
    accounts: int


class LinkedAccount(NamedTuple):
    """An account that has used the value in question, in so many payments. Times are ms since the epoch, UTC."""

    account_id: str
    payments: int
    first_ms: int
    last_ms: int


class DaySummary(NamedTuple):
    """The payments of a day with one currency and outcome; `outcome` None: without a decision in the store."""

    currency: str
    outcome: str | None
    payments: int
    amount_minor: int
    alerts: int
