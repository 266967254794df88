from pathlib import Path

import msgspec
import pytest

from fraudstream.contracts.schemas import CONTRACTS
from tests.unit.contracts.examples import FULL

STORED = Path(__file__).parent / "stored"


def stored(name: str, version: int) -> bytes:
    return (STORED / f"{name}.v{version}.json").read_bytes()


def tag(name: str) -> set[str]:
    """The tag field that identifies a struct within a union; empty for a struct outside one."""
    tag_field = CONTRACTS[name].__struct_config__.tag_field
    return set() if tag_field is None else {tag_field}


def current_version(name: str) -> int:
    fields = {field.name: field for field in msgspec.structs.fields(CONTRACTS[name])}
    return int(fields["schema_version"].default)


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_encoded_event_decodes_to_an_equal_event(name: str) -> None:
    event = FULL[name]
    assert msgspec.json.decode(msgspec.json.encode(event), type=CONTRACTS[name]) == event


@pytest.mark.parametrize("name", CONTRACTS)
def test_default_values_are_not_encoded(name: str) -> None:
    bare = msgspec.json.decode(stored(name, 0), type=CONTRACTS[name])
    sent = msgspec.json.decode(msgspec.json.encode(bare))
    required = {field.name for field in msgspec.structs.fields(CONTRACTS[name]) if field.required}
    assert sent.keys() - tag(name) == required


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_event_of_version_1_decodes_to_the_expected_struct(name: str) -> None:
    assert msgspec.json.decode(stored(name, 1), type=CONTRACTS[name]) == FULL[name]


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_event_without_the_optional_fields_decodes_with_their_defaults(name: str) -> None:
    event = msgspec.json.decode(stored(name, 0), type=CONTRACTS[name])
    for field in msgspec.structs.fields(CONTRACTS[name]):
        if not field.required:
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            assert getattr(event, field.name) == default, field.name


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_event_of_a_later_version_decodes_without_the_fields_it_added(name: str) -> None:
    later = msgspec.json.decode(stored(name, 1)) | {"schema_version": 2, "a_future_field": {"deep": [1]}}
    event = msgspec.json.decode(msgspec.json.encode(later), type=CONTRACTS[name])
    assert event == msgspec.structs.replace(FULL[name], schema_version=2)


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_version_has_a_stored_event(name: str) -> None:
    for version in range(1, current_version(name) + 1):
        assert (STORED / f"{name}.v{version}.json").exists(), f"store an event of version {version} of {name}"


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_stored_event_of_the_current_version_has_every_field(name: str) -> None:
    event = msgspec.json.decode(stored(name, current_version(name)))
    assert event.keys() - tag(name) == {field.name for field in msgspec.structs.fields(CONTRACTS[name])}
