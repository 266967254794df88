"""Units of quantities: both sides of an operation must agree, except that a bare number combined with money is
money."""

from __future__ import annotations

from fraudstream.engine.expression.context import Context
from fraudstream.engine.expression.lexer import MS_PER_UNIT
from fraudstream.engine.expression.nodes import MajorUnits
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.typed import Typed
from fraudstream.engine.expression.types import Type

_QUANTITIES = (Type.NUMBER, Type.MONEY, Type.DURATION)


def as_money(typed: Typed) -> Typed:
    """A bare number as an amount in major units of the payment's currency; any other part as it is."""
    if typed.type is Type.NUMBER and typed.constant is not None:
        return Typed(Type.MONEY, typed.syntax, quantity=MajorUnits(typed.constant))
    return typed


def alike(context: Context, left: Typed, right: Typed, syntax: Syntax, done: str) -> tuple[Typed, Typed]:
    """Both sides in one unit. `done`: what `syntax` does to them, for the error: "compared", "added".

    Raises `ExpressionError` where the units differ.
    """
    if left.type is Type.MONEY:
        right = as_money(right)
    elif right.type is Type.MONEY:
        left = as_money(left)
    if left.type is right.type and left.type in _QUANTITIES:
        return left, right
    at = right if left.constant is None else left
    hint = ""
    if {left.type, right.type} == {Type.NUMBER, Type.DURATION}:
        constant = right.constant if left.constant is None else left.constant
        hint = " Write the unit, as in 90s, 15m, 24h, 30d."
        if constant is not None and (meant := _duration_literal(float(constant))):
            hint = f" If milliseconds were meant, write {meant}."
    elif Type.TEXT in (left.type, right.type) and at.syntax.what == "number":
        hint = f" Write text in quotes: '{at.syntax.text}'."
    elif {left.type, right.type} == {Type.NUMBER, Type.MONEY}:
        hint = " Only a literal number can be used as an amount; to scale an amount, multiply it."
    described = f"{context.described(left)}, {context.described(right)}"
    raise context.error(at.syntax, f"{described}: they can't be {done}.{hint}")


def _duration_literal(value_ms: float) -> str:
    """The shortest duration literal for a whole number of seconds; empty for other values."""
    for unit in ("d", "h", "m", "s"):
        if value_ms >= MS_PER_UNIT[unit] and value_ms % MS_PER_UNIT[unit] == 0:
            return f"{value_ms / MS_PER_UNIT[unit]:.0f}{unit}"
    return ""
