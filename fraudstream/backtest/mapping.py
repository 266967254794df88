"""Column mappings: how the columns of a file map to the fields of a payment, declared in YAML.

`load_mapping` takes the name of a shipped mapping (`examples/mappings/<name>.yaml`) or a path. YAML scalars are read
as text, so that `Yes` and `1` match the values of a file. An invalid mapping raises `MappingError` with the file and
the path of the fault.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.mapping_check import mapping_faults
from fraudstream.backtest.message_check import message_faults
from fraudstream.backtest.sources import LabelSource, PaymentSources, RowCondition, Source
from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.document import DocumentErrors, read_content
from fraudstream.formats.message_layout import MessageLayout

_INSTALLED = Path(__file__).parents[1] / "shipped" / "mappings"  # location of examples/mappings in the wheel
_CHECKOUT = Path(__file__).parents[2] / "examples" / "mappings"


class MappingError(ValueError):
    """An invalid mapping. `path`: its file or name; `sentence`: what is wrong."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(f"{path}: {sentence}")
        self.path = path
        self.sentence = sentence


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A complete mapping.

    `sorted_by_time`: whether files of this data set are usually in order of time; it affects only the wording of an
    error, the order of every file is checked. `where`: conditions that a row must all meet to be read. `on_bad_row`:
    what to do with a row that gives no payment. `file`: how the file's bytes become rows and cells. `message`: the
    messages that it reads in place of rows; its columns are then paths in a message.
    """

    title: str
    payment: PaymentSources
    source: str = ""
    notes: str = ""
    sorted_by_time: bool = True
    label: LabelSource | None = None
    where: RowCondition | tuple[RowCondition, ...] = ()
    on_bad_row: Literal["stop", "skip"] = "stop"
    name: str = ""
    file: FileLayout = FileLayout()
    message: MessageLayout | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once, in the order of the mapping."""
        names: dict[str, None] = {}
        for _, source in self.sources():
            names.update(dict.fromkeys(source.columns))
        names.update(dict.fromkeys(condition.column for condition in self.conditions))
        if self.label is not None:
            names[self.label.column] = None
            reported_at = self.label.reported_at
            names.update(dict.fromkeys(() if reported_at is None else reported_at.columns))
        return tuple(names)

    @property
    def conditions(self) -> tuple[RowCondition, ...]:
        """The conditions of `where`."""
        return (self.where,) if isinstance(self.where, RowCondition) else self.where

    def sources(self) -> list[tuple[str, Source]]:
        """Field name and source of every mapped field; attributes as `attributes.<name>`."""
        found: list[tuple[str, Source]] = []
        for field in self.payment.__struct_fields__:
            value = getattr(self.payment, field)
            if isinstance(value, dict):
                found += [(f"attributes.{name}", source) for name, source in value.items()]
            elif value is not None:
                found.append((field, value))
        return found


def load_mapping(name_or_path: str) -> Mapping:
    """The shipped mapping of this name, or the mapping in this .yaml file. Raises `MappingError`."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        shipped = shipped_mappings()
        if name_or_path not in shipped:
            raise MappingError(
                name_or_path,
                f"no mapping of this name.{nearest(name_or_path, shipped)} There are {', '.join(shipped)}; "
                "or give a .yaml file.",
            )
        path = shipped[name_or_path]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = system_error_text(error) if isinstance(error, OSError) else "it is not text in UTF-8"
        raise MappingError(str(path), f"can't be read: {reason}.") from error
    return parse_mapping(text, str(path))


def shipped_mappings() -> dict[str, Path]:
    """Path of every mapping that comes with fraudstream, by name."""
    directory = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return {path.stem: path for path in sorted(directory.glob("*.yaml"))}


def parse_mapping(text: str, path: str) -> Mapping:
    """The mapping in a YAML text; `path` names it in errors. Raises `MappingError`."""
    try:
        content = read_content(text, path)
    except DocumentErrors as errors:
        fault = errors.faults[0]
        raise MappingError(path, f"line {fault.line}: {fault.sentence}") from errors
    if not isinstance(content, dict):
        raise MappingError(path, "must be a mapping of keys to values: title, payment, and others.")
    try:
        mapping = msgspec.convert(content, Mapping, strict=False)
    except msgspec.ValidationError as error:
        raise MappingError(path, _plain_sentence(str(error))) from error
    for sentence in mapping_faults(mapping.sources(), mapping.label, mapping.conditions):
        raise MappingError(path, sentence)
    nulls = mapping.file.null_values
    for name in sorted(nulls.keys() - {*mapping.columns}) if isinstance(nulls, dict) else ():
        sentence = f"file.null_values: the mapping reads no column {name!r}.{nearest(name, mapping.columns)}"
        raise MappingError(path, sentence)
    if mapping.message is not None:
        for sentence in message_faults(mapping.message, mapping.sources(), mapping.label):
            raise MappingError(path, sentence)
        mapping = msgspec.structs.replace(mapping, message=_beside(mapping.message, path))
    return msgspec.structs.replace(mapping, name=mapping.name or Path(path).stem)


def _beside(message: MessageLayout, path: str) -> MessageLayout:
    """The same, with the file of a dialect looked for beside the mapping at `path`."""
    dialect = message.dialect
    if dialect is None or not dialect.endswith((".yaml", ".yml")):
        return message
    return msgspec.structs.replace(message, dialect=str(Path(path).parent / dialect))


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")
_TYPE = re.compile(r"Expected `(?P<due>[^`]*)`, got `[^`]*`")
_LEAST = re.compile(r"Expected (?P<due>`int` >= 0)")
_ENUM = re.compile(r"Invalid enum value '(?P<word>.*)'")
_TYPES = {
    "bool": "true or false",
    "int": "a whole number",
    "str": "text",
    "array": "a list: [a, b]",
    "object": "a source: {column: name}",
    "object | array": "a condition or a list of them",
    "object | null": "a source: {column: name}",
    "array | null": "a list: [a, b]",
    "object | array | null": "a list: [a, b], or lists by column: {column: [a, b]}",
    "str | array": "text or a list: [a, b]",
    "`int` >= 0": "a whole number, 0 or more",
}
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")


def _plain_sentence(error: str) -> str:
    """An error of msgspec in the words of a mapping."""
    said, _, at = error.partition(" - at ")
    place = at.strip("`").removeprefix("$").removeprefix(".") or "the mapping"
    if found := _UNKNOWN.fullmatch(said):
        known = _options_at(place)
        listed = f" Known: {', '.join(known)}." if known else ""
        return f"{place} has no option '{found['name']}'.{nearest(found['name'], known)}{listed}"
    if found := _MISSING.fullmatch(said):
        return f"{place} lacks '{found['name']}'. Add it."
    if found := _TYPE.fullmatch(said) or _LEAST.fullmatch(said):
        return f"{place} must be {_TYPES.get(found['due'], found['due'])}."
    if found := _ENUM.fullmatch(said):
        choices = _choices_at(place)
        chosen = f" Choose from: {', '.join(choices)}." if choices else ""
        return f"{place} can't be '{found['word']}'.{chosen}"
    return f"{place}: {said[:1].lower()}{said[1:]}."


def _options_at(place: str) -> tuple[str, ...]:
    """The options of the struct at a place of a mapping, such as `payment.amount`; empty if it is not known."""
    structs = (kind for kind in _types_at(place) if isinstance(kind, type) and issubclass(kind, msgspec.Struct))
    return next((kind.__struct_encode_fields__ for kind in structs), ())


def _choices_at(place: str) -> tuple[str, ...]:
    """The words that may stand at a place of a mapping; empty if any may."""
    literals = (kind for kind in _types_at(place) if get_origin(kind) is Literal)
    return tuple(word for literal in literals for word in get_args(literal))


def _types_at(place: str) -> tuple[Any, ...]:
    """The types of what may stand at a place of a mapping."""
    kinds: tuple[Any, ...] = (Mapping,)
    for name in [] if place == "the mapping" else re.split(r"[.\[]", place):
        hints = [get_type_hints(kind).get(name) for kind in kinds if isinstance(kind, type)]
        kinds = tuple(kind for hint in hints for kind in _alternatives(hint))
    return kinds


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the type alone; of an optional literal too."""
    if get_origin(hint) is Literal:
        return (hint,)
    return get_args(hint) or (hint,)
