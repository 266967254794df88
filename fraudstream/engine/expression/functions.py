"""The functions of the language, one row each. The parser, the checker and the documentation read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

PATTERN_CHARS_MAX: Final = 256


class Function(NamedTuple):
    """`arguments`: as the documentation writes them. `least`, `most`: how many there are. `summary`: what it gives."""

    name: str
    arguments: str
    least: int
    most: int
    summary: str


_ROWS = (
    Function("min", "x, y, …", 2, 8, "the smallest of numbers, amounts or durations; missing if one is"),
    Function("max", "x, y, …", 2, 8, "the largest of them; missing if one is"),
    Function("abs", "x", 1, 1, "the value without its sign"),
    Function("round_down", "x, step", 2, 2, "the largest multiple of `step` that is not above `x`"),
    Function(
        "rarity",
        "part, whole",
        2,
        2,
        "of two counts, how rare the part is, in bits: -log2((part + 1) / (whole + 1)), at least 0",
    ),
    Function(
        "burst",
        "count, expected",
        2,
        2,
        "how surprising so high a count is, in bits, where so many payments are expected: -log2 of the bound of its "
        "Poisson probability; 0 up to the expected number, missing where nothing is expected",
    ),
    Function("lower", "text", 1, 1, "the text in small letters, to compare without regard to case"),
    Function("starts_with", 'text, "…"', 2, 2, "true if the text starts with these characters"),
    Function("ends_with", 'text, "…"', 2, 2, "true if it ends with them"),
    Function("contains", 'text, "…"', 2, 2, "true if it has them anywhere"),
    Function(
        "matches",
        'text, "…"',
        2,
        2,
        "true if the regular expression (RE2) matches anywhere in it; `^` and `$` stand for its ends",
    ),
)

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType({row.name: row for row in _ROWS})
TEXT_TESTS: Final = ("starts_with", "ends_with", "contains", "matches")  # true or false of a text


def function_table() -> str:
    """The functions as a table in Markdown, for the documentation.

    >>> function_table().splitlines()[4]
    '| `abs(x)` | the value without its sign |'
    """
    rows = [f"| `{row.name}({row.arguments})` | {row.summary} |" for row in _ROWS]
    return "\n".join(["| function | its value |", "| --- | --- |", *rows])
