"""Errors of the JSON decoder as plain sentences for publishers, who do not know the decoder's own wording."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, get_args

from fraudstream.contracts.fields import Channel, Direction, Kind, LabelName


class Fault(NamedTuple):
    """A sentence for the publisher, and the JSON path of the field."""

    sentence: str
    path: str


_WORDS: Mapping[str, tuple[str, ...]] = {
    "direction": get_args(Direction),
    "kind": get_args(Kind),
    "channel": get_args(Channel),
    "label": get_args(LabelName),
}
_CODES: Mapping[str, str] = {
    "country": "a code of ISO 3166-1 alpha-2, such as DE",
    "currency": "a code of ISO 4217, such as EUR",
    "mcc": "four digits with leading zeros, such as 0742",
}
_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "a JSON object",
    "array": "a list",
}
_MOMENT = "must be a date and time with its zone, such as 2026-03-04T12:00:00Z, or whole milliseconds since the epoch"
_TYPE = re.compile(r"Expected `(?P<due>[^`]+)`, got `(?P<came>[^`]+)`")
_LENGTH = re.compile(r"Expected `str` of length (?P<sign>[<>]=) (?P<bound>\d+)")
_BOUND = re.compile(r"Expected `(?:int|float)` (?P<sign>[<>]=) (?P<bound>-?[\d.]+)")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_ENUM = re.compile(r"Invalid enum value '(?P<word>.*)'", re.DOTALL)


def plain_fault(error: str, what: str) -> Fault:
    """An error message of msgspec as a plain sentence. `what`: the event, "payment" or "label".

    >>> plain_fault("Expected `str`, got `float` - at `$.amount`", "payment")
    Fault(sentence='amount must be text, not a number: put it in quotes.', path='$.amount')
    >>> plain_fault("Object missing required field `currency`", "payment").sentence
    "The field 'currency' is missing: every payment has it."
    """
    said, _, at = error.partition(" - at ")
    path = at.rpartition(" in ")[2].strip("`") or "$"
    field = path.removeprefix("$.") if path != "$" else f"A {what}"
    if at.startswith("`key`"):
        field = f"A name in {field}"
    return Fault(f"{_sentence(said, field, what)}.", path)


def _sentence(said: str, field: str, what: str) -> str:
    if found := _MISSING.fullmatch(said):
        return f"The field '{found['name']}' is missing: every {what} has it"
    if "datetime" in said:
        return f"{field} {_MOMENT}"
    if found := _TYPE.fullmatch(said):
        due = [_TYPES.get(type_, type_) for type_ in found["due"].split(" | ") if type_ != "null"]
        quotes = ": put it in quotes" if due == ["text"] and found["came"] in ("int", "float", "bool") else ""
        return f"{field} must be {', '.join(due)}, not {_TYPES.get(found['came'], found['came'])}{quotes}"
    if found := _LENGTH.fullmatch(said):
        code = f": it is {_CODES[field]}" if field in _CODES else ""
        return f"{field} must have {_most(found['sign'])} {found['bound']} characters{code}"
    if found := _BOUND.fullmatch(said):
        return f"{field} must be {_most(found['sign'])} {found['bound'].removesuffix('.0')}"
    if found := _ENUM.fullmatch(said):
        known = _WORDS.get(field)
        return f"{field} can't be '{found['word'][:40]}'" + (f". Choose from: {', '.join(known)}" if known else "")
    return said.rstrip(".")


def _most(sign: str) -> str:
    return "at most" if sign == "<=" else "at least"
