"""The sentences of dead letters: what a publisher did wrong and what to do, in no decoder's words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fraudstream.engine.columns import Rejection
from fraudstream.engine.decode import decode

GOOD = {
    "event_id": "e-1",
    "occurred_at": 1_750_000_000_000,
    "account_id": "a",
    "amount": "1.00",
    "currency": "EUR",
    "direction": "debit",
}
MOMENT = (
    "occurred_at must be a date and time with its zone, such as 2026-03-04T12:00:00Z, or whole milliseconds since the "
    "epoch."
)


@pytest.mark.parametrize(
    ("changes", "sentence", "path"),
    [
        ({"account_id": 7}, "account_id must be text, not a whole number: put it in quotes.", "$.account_id"),
        ({"amount": 12.5}, "amount must be text, not a number: put it in quotes.", "$.amount"),
        ({"amount": None}, "amount must be text, not null.", "$.amount"),
        ({"event_id": ""}, "event_id must have at least 1 characters.", "$.event_id"),
        ({"event_id": "e" * 129}, "event_id must have at most 128 characters.", "$.event_id"),
        ({"direction": "out"}, "direction can't be 'out'. Choose from: debit, credit.", "$.direction"),
        ({"occurred_at": "yesterday"}, MOMENT, "$.occurred_at"),
        ({"occurred_at": "2026-03-01T12:00:00"}, MOMENT, "$.occurred_at"),
        ({"occurred_at": 1.5}, MOMENT, "$.occurred_at"),
        ({"lat": 91}, "lat must be at most 90.", "$.lat"),
        ({"card_present": "yes"}, "card_present must be true or false, not text.", "$.card_present"),
        ({"attributes": 3}, "attributes must be a JSON object, not a whole number.", "$.attributes"),
        (
            {"attributes": {"a": [1]}},
            "attributes[...] must be true or false, a whole number, a number, text, not a list.",
            "$.attributes[...]",
        ),
        ({"attributes": {"a" * 65: 1}}, "A name in attributes must have at most 64 characters.", "$.attributes"),
    ],
)
def test_a_faulty_field_is_reported_in_a_sentence(changes: dict[str, Any], sentence: str, path: str) -> None:
    assert decode([msgspec.json.encode(GOOD | changes)]) == [Rejection(0, "invalid", sentence, path)]


def test_a_missing_field_or_a_value_that_is_no_object_is_reported() -> None:
    assert decode([b'{"event_id": "e"}', b"[1]", b"{}"], [False, False, True]) == [
        Rejection(0, "invalid", "The field 'occurred_at' is missing: every payment has it.", "$"),
        Rejection(1, "invalid", "A payment must be a JSON object, not a list.", "$"),
        Rejection(2, "invalid", "The field 'event_id' is missing: every label has it.", "$"),
    ]
