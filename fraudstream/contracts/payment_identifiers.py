"""What in a payment may identify a person, and is masked where it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fraudstream.contracts.payment import Payment

IDENTIFIERS: Final = frozenset({"account_id", "counterparty_id", "device_id", "ip"})
DOTS: Final = "••••"
_ENDS_SHOWN: Final = ((10, 4), (6, 2))  # so many characters at least: so many of the last ones are shown
_WHOLE_NUMBER_MIN: Final = 10_000_000  # an attribute from here on may be the number of an account or a card


def masked(value: str) -> str:
    """An identifier with its end alone.

    >>> masked("DE02120300000000202051"), masked("dev-8812"), masked("acc-1")
    ('••••2051', '••••12', '••••')
    """
    shown = next((count for characters, count in _ENDS_SHOWN if len(value) >= characters), 0)
    return DOTS + value[len(value) - shown :]


def identifiers_of(payment: Payment) -> Iterator[str]:
    """Its identifiers, and those of its attributes that may be one, as text; some may repeat."""
    yield from (value for name in sorted(IDENTIFIERS) if (value := getattr(payment, name)) is not None)
    yield from identifying_attributes(payment.attributes or {})


def identifying_attributes(attributes: Mapping[str, object]) -> Iterator[str]:
    """The attributes of a payment that may identify somebody, as text."""
    yield from (str(value) for value in attributes.values() if is_identifying(value))


def is_identifying(value: object) -> bool:
    """Whether an attribute of a payment may identify somebody. Nobody knows what a bank puts there: texts and long
    numbers may."""
    return isinstance(value, str) or (isinstance(value, int | float) and abs(value) >= _WHOLE_NUMBER_MIN)
