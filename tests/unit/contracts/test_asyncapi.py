"""topics/asyncapi.yaml against the parts of AsyncAPI 3.0.0 that it uses, the contracts, the settings and topics.yaml.

The structure below follows the specification (https://www.asyncapi.com/docs/reference/specification/v3.0.0): required
fields, no unknown fields, references where the specification requires them. It covers only the parts in use.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from fraudstream.cli.settings import TopicsSettings
from fraudstream.contracts.schemas import CONTRACTS, contract_schemas

TOPICS = Path(__file__).parents[3] / "topics"
DOCUMENT: dict[str, Any] = yaml.safe_load((TOPICS / "asyncapi.yaml").read_text(encoding="utf-8"))

TEXT = {"type": "string", "minLength": 1}
REF = {
    "type": "object",
    "required": ["$ref"],
    "additionalProperties": False,
    "properties": {"$ref": {"type": "string", "pattern": "^(#/|\\./)"}},
}


def closed(required: list[str], **properties: object) -> dict[str, object]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


def each(schema: object) -> dict[str, object]:
    return {"type": "object", "propertyNames": {"pattern": "^[A-Za-z0-9_\\-]+$"}, "additionalProperties": schema}


VERSION = {"const": "0.5.0"}
STRUCTURE = closed(
    ["asyncapi", "info", "channels", "operations"],
    asyncapi={"const": "3.0.0"},
    info=closed(
        ["title", "version"], title=TEXT, version=TEXT, description=TEXT, license=closed(["name"], name=TEXT, url=TEXT)
    ),
    defaultContentType={"const": "application/json"},
    servers=each(closed(["host", "protocol"], host=TEXT, protocol={"const": "kafka"}, description=TEXT)),
    channels=each(
        closed(
            ["address", "messages", "bindings"],
            address=TEXT,
            title=TEXT,
            description=TEXT,
            messages=each(REF),
            bindings=closed(["kafka"], kafka=closed(["topic"], topic=TEXT, bindingVersion=VERSION)),
        )
    ),
    operations=each(
        closed(
            ["action", "channel"],
            action={"enum": ["send", "receive"]},
            channel=REF,
            summary=TEXT,
            messages={"type": "array", "items": REF},
        )
    ),
    components=closed(
        ["messages", "schemas"],
        messages=each(
            closed(
                ["name", "title", "summary", "payload", "bindings"],
                name=TEXT,
                title=TEXT,
                summary=TEXT,
                headers=REF,
                payload=REF,
                bindings=closed(["kafka"], kafka=closed(["key"], key=REF, bindingVersion=VERSION)),
                examples={
                    "type": "array",
                    "items": closed(["payload"], name=TEXT, summary=TEXT, payload={"type": "object"}),
                },
            )
        ),
        schemas=each({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
    ),
)


def references(node: object, path: str = "#") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield path, value
            else:
                yield from references(value, f"{path}/{key}")
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from references(item, f"{path}/{number}")


def resolved(reference: str) -> Any:
    if reference.startswith("./"):
        return yaml.safe_load((TOPICS / reference).read_text(encoding="utf-8"))
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(STRUCTURE).iter_errors(DOCUMENT)]
    assert errors == []


def test_the_structure_rejects_a_field_that_asyncapi_does_not_define() -> None:
    """The structure allows no additional properties, so the test above can fail."""
    assert not Draft202012Validator(STRUCTURE).is_valid(DOCUMENT | {"topics": {}})


@pytest.mark.parametrize(("path", "reference"), list(references(DOCUMENT)))
def test_every_reference_resolves(path: str, reference: str) -> None:
    assert resolved(reference)


def test_an_operation_names_a_channel_and_only_messages_of_it() -> None:
    for name, operation in DOCUMENT["operations"].items():
        channel = operation["channel"]["$ref"]
        assert channel.startswith("#/channels/"), name
        assert all(m["$ref"].startswith(f"{channel}/messages/") for m in operation.get("messages", [])), name


def test_every_contract_is_the_payload_of_a_message() -> None:
    payloads = {message["payload"]["$ref"] for message in DOCUMENT["components"]["messages"].values()}
    assert payloads == {f"./schemas/{name}.json" for name in CONTRACTS}


def test_every_topic_is_a_channel_under_its_default_name() -> None:
    settings = TopicsSettings()
    names = {
        getattr(settings, field) for field in settings.__struct_fields__ if field not in ("partitions", "replication")
    }
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == names
    assert {channel["bindings"]["kafka"]["topic"] for channel in DOCUMENT["channels"].values()} == names
    described = yaml.safe_load((TOPICS / "topics.yaml").read_text(encoding="utf-8"))["topics"]
    assert {name for name, topic in described.items() if "name" not in topic} == names


def test_every_example_is_valid_under_its_schema() -> None:
    for name, message in DOCUMENT["components"]["messages"].items():
        schema = contract_schemas()[message["payload"]["$ref"].removeprefix("./schemas/").removesuffix(".json")]
        for example in message.get("examples", []):
            errors = [error.message for error in Draft202012Validator(schema).iter_errors(example["payload"])]
            assert errors == [], f"{name}, {example.get('name')}"
