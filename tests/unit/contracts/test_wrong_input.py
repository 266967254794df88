"""The validation messages that a publisher reads in a dead letter; their wording is part of the contract."""

import json
from typing import Any

import msgspec
import pytest

from fraudstream.contracts import CaseAction, Label, Payment, control_character_path
from fraudstream.contracts.schemas import CONTRACTS
from tests.unit.contracts.examples import FULL, PAYMENT

REQUIRED: dict[str, Any] = {
    "event_id": "evt-1",
    "occurred_at": "2026-03-01T12:00:00Z",
    "account_id": "acc-17",
    "amount": "12.50",
    "currency": "EUR",
    "direction": "debit",
}


def validation_message(event: object, contract: type[msgspec.Struct] = Payment) -> str:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(json.dumps(event).encode(), type=contract)
    return str(caught.value)


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_named(field: str) -> None:
    event = {name: value for name, value in REQUIRED.items() if name != field}
    assert validation_message(event) == f"Object missing required field `{field}`"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("event_id", "", "Expected `str` of length >= 1 - at `$.event_id`"),
        ("event_id", "e" * 129, "Expected `str` of length <= 128 - at `$.event_id`"),
        ("account_id", 17, "Expected `str`, got `int` - at `$.account_id`"),
        ("account_id", None, "Expected `str`, got `null` - at `$.account_id`"),
        ("amount", 12.5, "Expected `str`, got `float` - at `$.amount`"),
        ("amount", "", "Expected `str` of length >= 1 - at `$.amount`"),
        ("amount", "1" * 25, "Expected `str` of length <= 24 - at `$.amount`"),
        ("currency", "EURO", "Expected `str` of length <= 3 - at `$.currency`"),
        ("direction", "out", "Invalid enum value 'out' - at `$.direction`"),
        ("kind", "gift", "Invalid enum value 'gift' - at `$.kind`"),
        ("channel", "fax", "Invalid enum value 'fax' - at `$.channel`"),
        ("occurred_at", "2026-03-01T12:00:00", "Expected `datetime` with a timezone component - at `$.occurred_at`"),
        ("occurred_at", "yesterday", "Invalid RFC3339 encoded datetime - at `$.occurred_at`"),
        ("occurred_at", 1.5, "Expected `int | datetime`, got `float` - at `$.occurred_at`"),
        ("mcc", "54", "Expected `str` of length >= 4 - at `$.mcc`"),
        ("country", "SWE", "Expected `str` of length <= 2 - at `$.country`"),
        ("lat", 90.5, "Expected `float` <= 90.0 - at `$.lat`"),
        ("lon", "18.07", "Expected `float | null`, got `str` - at `$.lon`"),
        ("card_present", 1, "Expected `bool | null`, got `int` - at `$.card_present`"),
        ("attributes", {"a": [1]}, "Expected `bool | int | float | str`, got `array` - at `$.attributes[...]`"),
        ("attributes", {"": 1}, "Expected `str` of length >= 1 - at `key` in `$.attributes`"),
        ("attributes", dict.fromkeys(map(str, range(65)), 1), "Expected `object` of length <= 64 - at `$.attributes`"),
        ("schema_version", "1", "Expected `int`, got `str` - at `$.schema_version`"),
    ],
)
def test_a_wrong_field_is_reported_with_expected_and_actual_type_and_path(
    field: str, value: object, sentence: str
) -> None:
    assert validation_message(REQUIRED | {field: value}) == sentence


def test_a_value_that_is_not_an_object_is_rejected() -> None:
    assert validation_message([]) == "Expected `object`, got `array`"
    assert validation_message(None) == "Expected `object`, got `null`"


def test_a_label_is_one_of_two_values() -> None:
    label = {"event_id": "evt-1", "account_id": "acc-17", "label": "stolen", "labelled_at": 0}
    assert validation_message(label, Label) == "Invalid enum value 'stolen' - at `$.label`"


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ("close", "Action 'close' requires field `disposition`"),
        ("note", "Action 'note' requires field `note`"),
    ],
)
def test_an_action_names_the_field_that_it_requires(action: str, sentence: str) -> None:
    event = {"action_id": "a", "case_id": "c", "account_id": "acc-17", "action": action, "actor": "r", "acted_at": 0}
    assert validation_message(event, CaseAction) == sentence


def test_an_overdrawn_account_has_a_negative_balance() -> None:
    payment = msgspec.json.decode(json.dumps(REQUIRED | {"balance_after": "-250.00"}).encode(), type=Payment)
    assert payment.balance_after == "-250.00"


@pytest.mark.parametrize("control", ["\x00", "\n", "\r", "\t", "\x1b", "\x1f", "\x7f", "\x85", "\x9b"])
@pytest.mark.parametrize("field", ["event_id", "account_id", "merchant_id", "counterparty_bank", "ip", "mcc"])
def test_a_control_character_in_an_identifier_is_detected(field: str, control: str) -> None:
    payment = msgspec.structs.replace(PAYMENT, **{field: f"a{control}b"})
    assert control_character_path(payment) == f"$.{field}"


@pytest.mark.parametrize("name", CONTRACTS)
def test_ordinary_events_contain_no_control_characters(name: str) -> None:
    assert control_character_path(FULL[name]) is None


def test_identifiers_may_be_written_in_any_script() -> None:
    assert control_character_path(msgspec.structs.replace(PAYMENT, account_id="Åsa Öberg 会社")) is None


def test_free_text_and_attributes_may_contain_line_breaks() -> None:
    action = CaseAction("a", "c", "acc-17", "note", "r", 0, note="two\nlines")
    assert control_character_path(action) is None
    assert control_character_path(msgspec.structs.replace(PAYMENT, attributes={"memo": "two\nlines"})) is None
