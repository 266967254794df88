import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from fraudstream.contracts.schemas import CONTRACTS, contract_schemas, schema_text
from tests.unit.contracts.examples import FULL

SCHEMAS = Path(__file__).parents[3] / "topics" / "schemas"


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_schema_file_is_generated_from_the_struct(name: str) -> None:
    assert (SCHEMAS / f"{name}.json").read_text(encoding="utf-8") == schema_text(contract_schemas()[name]), (
        "regenerate it: fraudstream topics schemas --write topics/schemas"
    )


def test_every_schema_file_belongs_to_a_contract() -> None:
    assert {path.stem for path in SCHEMAS.glob("*")} == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_schema_is_valid_and_accepts_what_the_struct_encodes(name: str) -> None:
    schema = contract_schemas()[name]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(msgspec.json.decode(msgspec.json.encode(FULL[name])))


PAYMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(FULL["payment"]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", ""),
        ("event_id", "e" * 129),
        ("account_id", 17),
        ("amount", 12.5),
        ("direction", "out"),
        ("kind", "gift"),
        ("occurred_at", 1.5),
        ("lat", 91),
        ("lon", "18"),
        ("card_present", 1),
        ("attributes", {"a": [1]}),
        ("attributes", {"a" * 65: 1}),
        ("schema_version", "1"),
    ],
)
def test_schema_and_struct_reject_the_same_events(field: str, value: object) -> None:
    event = copy.deepcopy(PAYMENT) | {field: value}
    assert not Draft202012Validator(contract_schemas()["payment"]).is_valid(event)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(event).encode(), type=CONTRACTS["payment"])


@pytest.mark.parametrize(
    ("field", "value"),
    [("account_id", "a\nb"), ("amount", "1e3"), ("amount", "-1"), ("currency", "XXX"), ("currency", "eur")],
)
def test_the_schema_also_rejects_what_is_checked_after_decoding(field: str, value: str) -> None:
    assert not Draft202012Validator(contract_schemas()["payment"]).is_valid(copy.deepcopy(PAYMENT) | {field: value})
