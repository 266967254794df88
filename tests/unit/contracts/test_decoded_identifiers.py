"""How the payment decoder treats control characters, however they are written."""

import json
import re
from typing import Any

import msgspec
import pytest

from fraudstream.contracts import Label, Payment
from fraudstream.contracts.schemas import contract_schemas
from fraudstream.engine.decode import decode
from tests.unit.contracts.examples import FULL

PAYMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(FULL["payment"]))


def bytes_of(event: object, ascii_only: bool = True) -> bytes:
    return json.dumps(event, ensure_ascii=ascii_only).encode()


CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]


@pytest.mark.parametrize("control", [chr(code) for code in CONTROLS])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_control_character_in_an_identifier_is_rejected_with_its_path(control: str, ascii_only: bool) -> None:
    good, bad = bytes_of(PAYMENT), bytes_of(PAYMENT | {"merchant_id": f"a{control}b"}, ascii_only)
    events = decode([good, bad, good])
    assert isinstance(events[0], Payment)
    assert isinstance(events[2], Payment)
    assert events[1] == (
        1,
        "invalid",
        "An identifier holds a control character, such as a line break: leave it out.",
        "$.merchant_id",
    )


def test_a_control_character_in_a_label_is_rejected_too() -> None:
    label = {"event_id": "evt\u0000", "account_id": "acc-17", "label": "fraud", "labelled_at": 0}
    assert decode([bytes_of(label)], [True]) == [
        (0, "invalid", "An identifier holds a control character, such as a line break: leave it out.", "$.event_id")
    ]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    "account_id", ["Åsa Öberg", "\u00a0 ¿§", 'quote " and \\ backslash', "\\n as two characters", "会社", "é"]
)
def test_other_characters_are_accepted_however_they_are_written(account_id: str, ascii_only: bool) -> None:
    (event,) = decode([bytes_of(PAYMENT | {"account_id": account_id}, ascii_only)])
    assert isinstance(event, Payment)
    assert event.account_id == account_id


@pytest.mark.parametrize("code", range(0x300))
def test_the_schema_takes_the_identifiers_that_the_decoder_takes(code: int) -> None:
    taken = isinstance(decode([bytes_of(PAYMENT | {"device_id": f"a{chr(code)}b"})])[0], Payment)
    pattern = contract_schemas()["list-entry"]["$defs"]["ListEntry"]["properties"]["value"]["pattern"]
    assert bool(re.search(pattern, f"a{chr(code)}b")) == taken == (code not in CONTROLS)


def test_attributes_may_contain_line_breaks() -> None:
    (event,) = decode([bytes_of(PAYMENT | {"attributes": {"memo": "two\nlines"}})])
    assert isinstance(event, Payment)
    assert not isinstance(event, Label)
