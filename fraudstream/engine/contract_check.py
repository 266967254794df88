"""The contract of payments, checked for structs that come from a file or a program: as a topic checks their JSON.

A file, a topic and a program that carry the same payment therefore get the same refusal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import Rejection
from fraudstream.engine.decode import decode
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.expression import Type
from fraudstream.engine.faulty_field import plain_fault

_VALID: Final[Mapping[str, object]] = {
    "event_id": "event",
    "occurred_at": 1_772_625_600_000,
    "account_id": "account",
    "amount": "1",
    "currency": "EUR",
    "direction": "debit",
}
_encoder = msgspec.json.Encoder()


def contract_faults(payments: Sequence[Payment], attributes: Mapping[str, Type] | None = None) -> list[Rejection]:
    """Why each invalid one of `payments` would be refused if its JSON were published; in order of `position`.

    `position`: its index in `payments`. `attributes`: the types that a catalogue declares for attributes, if they are
    to be checked too. What only a topic has is not checked: the record key, and the time of publication.
    """
    checked = checked_events(_as_json(payments), attributes=attributes)
    return [event for event in checked if isinstance(event, Rejection)]


def checked_events(
    values: Sequence[bytes], is_label: Sequence[bool] | None = None, attributes: Mapping[str, Type] | None = None
) -> list[Payment | Label | Rejection]:
    """The event of each JSON value, or why a topic would refuse it; `position` of a rejection is the value's index.

    `is_label`: which values are labels; None: none. `attributes`, and what is not checked: as in `contract_faults`.
    """
    events = decode(values, is_label)
    positions = [position for position, event in enumerate(events) if isinstance(event, Payment)]
    payments = [event for event in events if isinstance(event, Payment)]
    _, _, by_columns = read_columns(payments, None, 0, attributes or {}, PUBLIC_KEY)
    for rejection in by_columns:
        position = positions[rejection.position]
        events[position] = rejection._replace(position=position)
    return events


def value_fault(field: str, value: object) -> str | None:
    """Why no payment can have `value` in its field `field`, in a sentence; None if one can.

    An attribute (`attributes.name`) can have any value of its type.

    >>> value_fault("country", "de")
    "country 'de' is not a country of ISO 3166-1 alpha-2: write 'DE'."
    >>> value_fault("mcc", "5411") is None
    True
    """
    if field.startswith("attributes."):
        return None
    try:
        related = {"relates_to": "related"} if field == "kind" else {}  # a reversal needs it
        payment = msgspec.convert({**_VALID, **related, field: value}, Payment)
    except msgspec.ValidationError as error:
        return plain_fault(str(error), "payment").sentence
    faults = contract_faults([payment])
    return faults[0].sentence if faults else None


def _as_json(payments: Sequence[Payment]) -> list[bytes]:
    """The JSON text of each payment, whatever its fields hold."""
    try:
        return _encoder.encode_lines(payments).splitlines()
    except (OverflowError, UnicodeEncodeError):  # an integer above 64 bits, or half of a surrogate pair
        return [json.dumps(msgspec.to_builtins(payment)).encode() for payment in payments]
