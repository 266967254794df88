"""Reads the parameters of the generator from a YAML file, with every fault at its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from fraudstream.cli.failure import Failure
from fraudstream.contracts.error_text import system_error_text
from fraudstream.engine.document import DocumentErrors, Node, read_document
from fraudstream.generator.parameters import Parameters


def read_parameters(path: Path) -> Parameters:
    """The parameters of a file; what it leaves out keeps its default. Raises `Failure` with all its faults."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = system_error_text(error) if isinstance(error, OSError) else "it is not text in UTF-8"
        raise Failure(f"{path} can't be read: {reason}.") from error
    try:
        return parse_parameters(text, str(path))
    except DocumentErrors as errors:
        raise Failure(str(errors)) from errors


def parse_parameters(text: str, path: str) -> Parameters:
    """The parameters in a YAML text; `path` names it in faults. Raises `DocumentErrors`."""
    root = read_document(text, path)
    parameters: Parameters = _section(root, Parameters(), "the file")
    if root.faults:
        raise DocumentErrors(root.faults)
    return parameters


def _section(node: Node, default: Any, what: str) -> Any:
    """The defaults of a section with the values of the document; faults are added to it."""
    kind = type(default)
    hints = {field.name: field.type for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    for name, value in node.entries(what, known=kind.__struct_fields__).items():
        usual = getattr(default, name)
        if isinstance(usual, msgspec.Struct):
            given[name] = _section(value, usual, name)
        elif (number := _number(value, name, hints[name])) is not None:
            given[name] = number
    section = msgspec.structs.replace(default, **given)
    for name in kind.__struct_fields__:
        least = f"{name.removesuffix('_max')}_min"
        if name.endswith("_max") and least in hints and getattr(section, least) > getattr(section, name):
            node.fault(f"{what}: {least} is greater than {name}. Exchange them.")
    return section


def _number(node: Node, name: str, hint: Any) -> float | None:
    """A number within the bounds of its field, or None and a fault."""
    faults = len(node.faults)
    value = node.number(name)
    if len(node.faults) > faults:
        return None
    try:
        found: float = msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError as error:
        bound = str(error).removeprefix("Expected ").partition(",")[0]
        bound = bound.replace("`int`", "a whole number").replace("`float`", "a number")
        node.fault(f"{name} must be {bound}.")
        return None
    return found
