"""Payments from a listed device, and the removal of its entry."""

from __future__ import annotations

from fraudstream.contracts.control import ListEntry
from tests.integration.stream.list_rules import ENTRY
from tests.integration.stream.payments import payment

REMOVAL = ListEntry(list=ENTRY.list, value=ENTRY.value, by="r.holm", issued_at_ms=1, removed=True)


def listed_payment(number: int) -> tuple[bytes, bytes]:
    """Key and value of a payment from the listed device."""
    return b"a", payment(number, "a", device_id=ENTRY.value)
