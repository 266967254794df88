"""docs/contracts.md: each topic with its messages and their fields, from topics/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from docsite.tables import GENERATED, code, table

ENUM_VALUES_MAX: Final = 20
HEAD: Final = f"""# Message contracts

{GENERATED}

From [asyncapi.yaml](../topics/asyncapi.yaml), [topics.yaml](../topics/topics.yaml) and the JSON schemas of
`topics/schemas/`, which programs read. [publishing.md](publishing.md) explains payments, labels and decisions.
"""


def contract_page(topics: Path) -> str:
    """The whole page. `topics`: the directory with asyncapi.yaml, topics.yaml and schemas/."""
    api = yaml.safe_load((topics / "asyncapi.yaml").read_text(encoding="utf-8"))
    configs = yaml.safe_load((topics / "topics.yaml").read_text(encoding="utf-8"))
    parts = [HEAD, api["info"]["description"]]
    schemas: dict[str, str] = {}  # by file, the topic that it is described under
    for channel in api["channels"].values():
        parts += [f"## {channel['address']}\n", _text(channel.get("description", "")) + "\n"]
        parts += [_settings(configs, channel["address"])]
        for message in channel["messages"].values():
            parts.append(_message(_resolved(api, message), channel["address"], topics, schemas))
    return "\n".join(parts)


def _settings(configs: dict[str, Any], topic: str) -> str:
    entry = configs["topics"].get(topic) or {}
    values = {**configs["defaults"], **entry}
    rows = [(code(name), code(str(values[name]))) for name in ("partitions", "replication")]
    merged = {**configs["defaults"]["configs"], **entry.get("configs", {})}
    rows += [(code(name), code(str(value))) for name, value in merged.items()]
    return table(("setting of the topic", ""), rows) + "\n"


def _message(message: dict[str, Any], topic: str, topics: Path, schemas: dict[str, str]) -> str:
    title = message.get("title") or message["name"]
    head = f"### {topic}: {title}\n\n{_text(message.get('summary', ''))}\n"
    payload = message["payload"]
    reference = payload["$ref"] if "$ref" in payload else payload["schema"]["$ref"]
    file = reference.removeprefix("./").partition("#")[0]
    if file in schemas:
        return f"{head}\nIts fields are [above](#{schemas[file]}).\n"
    schemas[file] = _anchor(f"{topic}: {title}")
    schema = json.loads((topics / file).read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    first = schema["$ref"].rpartition("/")[2]
    sections = [_fields(definitions, name, titled=name != first) for name in _reached(definitions, first)]
    return "\n".join([head, f"Schema: [{file.rpartition('/')[2]}](../topics/{file})\n", *sections])


def _reached(definitions: dict[str, Any], first: str) -> list[str]:
    """The objects that a message consists of: itself, then those that it refers to, each once."""
    return [first, *(name for name in definitions if name != first and "properties" in definitions[name])]


def _fields(definitions: dict[str, Any], name: str, *, titled: bool) -> str:
    definition = definitions[name]
    required = set(definition.get("required", ()))
    rows = [
        (code(field), _type(schema), "required" if field in required else "", _text(schema.get("description", "")))
        for field, schema in definition.get("properties", {}).items()
    ]
    head = f"**{name}**. " if titled else ""
    return f"{head}{_text(definition.get('description', ''))}\n\n{table(('field', 'type', '', ''), rows)}\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]  # type: ignore[no-any-return]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if len(schema.get("enum", ())) > ENUM_VALUES_MAX:
        return f"one of {len(schema['enum'])} codes, in the schema"
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    if "const" in schema:
        return code(str(schema["const"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items') or {})}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) and values else "object"
    return str(schema.get("type", "any"))


def _resolved(api: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    found = api["components"]["messages"][message["$ref"].rpartition("/")[2]]
    assert isinstance(found, dict)
    return found


def _text(text: str) -> str:
    """A description: Markdown, in one line."""
    return " ".join(text.split()).replace("<", "\\<")


def _anchor(title: str) -> str:
    kept = "".join(character for character in title.lower() if character.isalnum() or character in " -_")
    return "-".join(kept.split())
