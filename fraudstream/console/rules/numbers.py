"""The settings of a rule that can be changed without editing its text: its status, and the numbers of its condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from fraudstream.console.rules.check import text_parts
from fraudstream.engine.document import read_document
from fraudstream.engine.expression import ExpressionError
from fraudstream.engine.expression.lexer import Kind, Token, tokens_of
from fraudstream.engine.expression.types import Origin

SWITCHED: Final = ("live", "shadow")  # a rule is retired in its text, with a reason
_NUMBERS: Final = (Kind.NUMBER, Kind.DURATION)


class Piece(NamedTuple):
    """A part of a condition as written. `number`: it is a number or a duration, its place among those, from 0."""

    text: str
    number: int | None


def pieces_of(rule_text: str) -> tuple[Piece, ...]:
    """The condition of a rule, cut at its numbers; empty if it cannot be read.

    >>> pieces_of("when: amount > 1_000 and channel == 'web'")[:2]
    (Piece(text='amount > ', number=None), Piece(text='1_000', number=0))
    """
    condition = text_parts(rule_text).condition
    pieces, at = list[Piece](), 0
    for place, token in enumerate(_numbers(condition)):
        pieces += [Piece(condition[at : token.start], None), Piece(condition[token.start : token.end], place)]
        at = token.end
    return (*pieces, Piece(condition[at:], None)) if condition else ()


def with_numbers(rule_text: str, numbers: Sequence[str]) -> str:
    """The rule with other numbers in its condition, in order. Raises `ValueError` if one is no number or duration, or
    there are not as many as the condition has.

    >>> with_numbers("when: amount > 1_000", ["2_500"])
    'when: amount > 2_500'
    """
    pieces, before = pieces_of(rule_text), text_parts(rule_text).before
    if sum(piece.number is not None for piece in pieces) != len(numbers):
        raise ValueError(f"{len(numbers)} numbers")
    for text in numbers:
        if [token.text for token in _numbers(text)] != [text]:
            raise ValueError(text[:40])
    after = rule_text[len(before) + sum(len(piece.text) for piece in pieces) :]
    changed = (piece.text if piece.number is None else numbers[piece.number] for piece in pieces)
    return f"{before}{''.join(changed)}{after}"


def with_status(rule_text: str, status: str) -> str:
    """The rule with another status. Raises `DocumentErrors` if it cannot be read.

    >>> with_status("status: shadow  # on trial", "live")
    'status: live  # on trial'
    """
    node = read_document(rule_text, "").entry("status")
    return rule_text if node is None else node.replaced(status)


def _numbers(expression: str) -> list[Token]:
    try:
        return [token for token in tokens_of(expression, Origin("")) if token.kind in _NUMBERS]
    except ExpressionError:
        return []
