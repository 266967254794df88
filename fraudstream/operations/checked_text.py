"""Checks texts that people enter before they are published: a record with an invalid one would be a dead letter."""

from __future__ import annotations

from typing import Final

import msgspec

from fraudstream.contracts.attached_file import FileDescription
from fraudstream.contracts.control_characters import has_control_character
from fraudstream.contracts.fields import Sha256, Tag
from fraudstream.engine.expression import ValueList
from fraudstream.engine.list_declarations import entry_value
from fraudstream.operations.errors import InvalidValueError

IDENTIFIER_CHARACTERS_MAX: Final = 128  # of contracts.fields.Identifier
TEXT_CHARACTERS_MAX: Final = 4_096  # of contracts.fields.Text


def check_identifier(value: str, name: str) -> str:
    """`value`, if the contracts take it as an identifier. Raises `InvalidValueError`, which calls it `name`."""
    if not 1 <= len(value) <= IDENTIFIER_CHARACTERS_MAX or has_control_character(value):
        raise InvalidValueError(
            name,
            value,
            f"{name} '{value[:40]!s}': must have 1 to {IDENTIFIER_CHARACTERS_MAX} characters, no control characters.",
        )
    return value


def check_entry(value: str, declared: ValueList) -> str:
    """`value` in the form in which an entry of that list has it. Raises `InvalidValueError` if no payment has it."""
    try:
        return entry_value(declared, value)
    except ValueError as error:
        sentence = f"VALUE '{value[:40]}' would match no payment: {error}"
        raise InvalidValueError("VALUE", value, sentence) from error


def check_tag(tag: str) -> str:
    """`tag`, if the contracts take it. Raises `InvalidValueError`."""
    try:
        return msgspec.convert(tag, Tag)
    except msgspec.ValidationError:
        sentence = f"tag '{tag[:40]}': must have 1 to 32 characters, no spaces and no control characters."
        raise InvalidValueError("tag", tag, sentence) from None


def check_note(note: str | None) -> str | None:
    """`note`, if it is short enough. Raises `InvalidValueError`."""
    if note is not None and len(note) > TEXT_CHARACTERS_MAX:
        raise InvalidValueError(
            "note", note, f"note: must have at most {TEXT_CHARACTERS_MAX:,} characters, not {len(note):,}."
        )
    return note


def check_digest(sha256: str) -> str:
    """`sha256`, if the contracts take it. Raises `InvalidValueError`."""
    try:
        return msgspec.convert(sha256, Sha256)
    except msgspec.ValidationError:
        sentence = f"sha256 '{sha256[:80]}': must be a SHA-256, 64 hexadecimal digits in lower case."
        raise InvalidValueError("sha256", sha256, sentence) from None


def check_file(file: FileDescription) -> FileDescription:
    """`file`, if the contracts take it. Raises `InvalidValueError`."""
    try:
        return msgspec.convert(msgspec.to_builtins(file), FileDescription)
    except msgspec.ValidationError as error:
        raise InvalidValueError("file", file.file_name, f"file '{file.file_name[:80]}': {error}.") from None
