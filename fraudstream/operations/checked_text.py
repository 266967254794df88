"""Checks texts that people enter before they are published: a record with an invalid one would be a dead letter."""

from __future__ import annotations

from typing import Final

from fraudstream.contracts.control_characters import has_control_character
from fraudstream.engine.contract_check import value_fault
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


def check_possible(value: str, field: str) -> str:
    """`value`, if a payment can have it in `field`, the field of a list. Raises `InvalidValueError`."""
    sentence = value_fault(field, value)
    if sentence is not None:
        raise InvalidValueError("VALUE", value, f"VALUE '{value[:40]}' would match no payment: {sentence}")
    return value


def check_note(note: str | None) -> str | None:
    """`note`, if it is short enough. Raises `InvalidValueError`."""
    if note is not None and len(note) > TEXT_CHARACTERS_MAX:
        raise InvalidValueError(
            "note", note, f"note: must have at most {TEXT_CHARACTERS_MAX:,} characters, not {len(note):,}."
        )
    return note
