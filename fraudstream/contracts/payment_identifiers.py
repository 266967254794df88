"""What in a payment may identify a person, and is masked where it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fraudstream.contracts.payment import Payment

IDENTIFIERS: Final = frozenset({"account_id", "counterparty_id", "device_id", "ip"})
_WHOLE_NUMBER_MIN: Final = 10_000_000  # an attribute from here on may be the number of an account or a card


def identifiers_of(payment: Payment) -> Iterator[str]:
    """Its identifiers, and those of its attributes that may be one, as text; some may repeat."""
    yield from (value for name in sorted(IDENTIFIERS) if (value := getattr(payment, name)) is not None)
    yield from (str(value) for value in (payment.attributes or {}).values() if is_identifying(value))


def is_identifying(value: object) -> bool:
    """Whether an attribute of a payment may identify somebody. Nobody knows what a bank puts there: texts and long
    numbers may."""
    return isinstance(value, str) or (isinstance(value, int | float) and abs(value) >= _WHOLE_NUMBER_MIN)
