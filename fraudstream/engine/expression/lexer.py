"""Text to tokens. Linear in the length of the text, which is bounded."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.expression.fault import ExpressionError, fault_at
from fraudstream.engine.expression.types import Origin

SOURCE_CHARS_MAX = 4_000
_NAME_CHARS_MAX = 128
_TEXT_CHARS_MAX = 1_024  # of an attribute; what shorter fields can hold is the checker's matter
_DIGITS_MAX = 20

MS_PER_UNIT = {unit: ms for unit, ms in UNITS_MS.items() if unit != "ms"}  # no rule needs milliseconds
_WORD_OPERATORS = frozenset({"and", "or", "not", "in", "in_network", "is", "missing", "present", "true", "false"})
_MEANT = {
    "=": "'=' compares nothing: write '=='.",
    "!": "'!' is not an operator: write 'not'.",
    "&": "'&' is not an operator: write 'and'.",
    "|": "'|' is not an operator: write 'or'.",
    "#": "a comment can't be part of an expression: move it to a line of its own above.",
    "%": "'%' is not an operator: use round_down(x, step), or a fraction such as 0.1.",
    "^": "'^' is not an operator.",
    '"': "this text has no closing quote on its line.",
    "'": "this text has no closing quote on its line.",
}

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>[0-9][0-9_]*(?:\.[0-9][0-9_]*)?)(?P<unit>[A-Za-z_][A-Za-z0-9_]*)?
      | (?P<text>"[^"\r\n]*"|'[^'\r\n]*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      | (?P<operator>==|!=|<=|>=|[<>+\-*/(),])""",
    re.VERBOSE,
)


class Kind(Enum):
    """What a token is."""

    NUMBER = "number"
    DURATION = "duration"
    TEXT = "text"
    NAME = "name"
    WORD = "word"  # and, or, not, in, in_network, is, missing, present, true, false
    OPERATOR = "operator"
    END = "end"


class Token(NamedTuple):
    """`text` as written, without the quotes of a text literal; `value`: of a number, or of a duration in ms."""

    kind: Kind
    text: str
    start: int
    end: int
    value: float = 0.0


def tokens_of(source: str, origin: Origin) -> list[Token]:
    """All tokens, the last of kind END. Raises `ExpressionError`."""
    if len(source) > SOURCE_CHARS_MAX:
        raise ExpressionError(
            fault_at(
                source,
                0,
                origin,
                f"{len(source):,} characters are too many for one expression (at most {SOURCE_CHARS_MAX:,}).",
            )
        )
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            character = source[at]
            sentence = _MEANT.get(character, f"{character!a} is not allowed in an expression.")
            raise ExpressionError(fault_at(source, at, origin, sentence))
        if match.lastgroup != "space":
            tokens.append(_token(match, source, origin))
        at = match.end()
    tokens.append(Token(Kind.END, "the end", at, at))
    return tokens


def _token(match: re.Match[str], source: str, origin: Origin) -> Token:
    start, end = match.span()
    number, unit, text, name = match.group("number", "unit", "text", "name")
    if number is not None:
        if len(number.replace("_", "").replace(".", "")) > _DIGITS_MAX:
            raise ExpressionError(fault_at(source, start, origin, f"this number has more than {_DIGITS_MAX} digits."))
        value = float(number.replace("_", ""))
        if unit is None:
            return Token(Kind.NUMBER, match.group(), start, end, value)
        if unit not in MS_PER_UNIT:
            sentence = f"'{unit[:20]}' is not a unit of time: write s, m, h, d or w, as in 90s, 15m, 24h, 30d, 2w."
            raise ExpressionError(fault_at(source, start + len(number), origin, sentence))
        return Token(Kind.DURATION, match.group(), start, end, value * MS_PER_UNIT[unit])
    if text is not None or name is not None:
        length, most = (end - start, _NAME_CHARS_MAX) if text is None else (len(text) - 2, _TEXT_CHARS_MAX)
        if length > most:
            raise ExpressionError(fault_at(source, start, origin, f"this is longer than {most:,} characters."))
        if text is not None:
            if len(text) == 2:
                raise ExpressionError(
                    fault_at(source, start, origin, "empty text: to ask for absence, write 'is missing'.")
                )
            if not text.isprintable():
                raise ExpressionError(
                    fault_at(source, start, origin, "this text holds a character that can't be printed.")
                )
            return Token(Kind.TEXT, text[1:-1], start, end)
        assert name is not None
        return Token(Kind.WORD if name in _WORD_OPERATORS else Kind.NAME, name, start, end)
    return Token(Kind.OPERATOR, match.group(), start, end)
