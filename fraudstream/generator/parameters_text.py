"""Parameters as a commented YAML file, which the command reads back as the same parameters."""

from __future__ import annotations

import inspect
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from fraudstream.generator.parameters import Parameters, Typologies

_HEAD = "# The world of `fraudstream generate --parameters FILE`. What is left out keeps its default.\n"


def parameters_text(parameters: Parameters) -> str:
    """The file with every parameter and what it means."""
    lines = [_HEAD]
    for name in Parameters.__struct_fields__:
        section = getattr(parameters, name)
        lines.append(f"\n# {inspect.getdoc(type(section))}\n{name}:\n")
        if isinstance(section, Typologies):
            lines.append("  # weight: of its payments in the frauds; days: until half of the reports are in\n")
            lines += [f"  {typology}: {_flow(getattr(section, typology))}\n" for typology in section.__struct_fields__]
        else:
            lines += _lines(section)
    return "".join(lines)


def _lines(section: msgspec.Struct) -> list[str]:
    hints = get_type_hints(type(section), include_extras=True)
    texts = {name: f"  {name}: {getattr(section, name)}" for name in section.__struct_fields__}
    width = max(map(len, texts.values()))
    return [f"{text:<{width}}  # {_description(hints[name])}\n" for name, text in texts.items()]


def _flow(section: msgspec.Struct) -> str:
    return "{" + ", ".join(f"{name}: {getattr(section, name):g}" for name in section.__struct_fields__) + "}"


def _description(hint: object) -> str:
    metas = [meta for meta in get_args(hint)[1:] if isinstance(meta, Meta)] if get_origin(hint) is Annotated else []
    return next((meta.description for meta in metas if meta.description), "")
