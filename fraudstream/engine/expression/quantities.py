"""Quantities and text of an expression, typed: literals, names, arithmetic and function calls."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from fraudstream.engine.expression.context import Context
from fraudstream.engine.expression.nodes import (
    BURSTS,
    RARITIES,
    Arithmetic,
    Constant,
    Magnitude,
    Negative,
    QuantityColumn,
    Quotient,
    RoundedDown,
    Surprisal,
    TextColumn,
    TextLiteral,
)
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.text_nodes import Lowered
from fraudstream.engine.expression.typed import Typed, folded
from fraudstream.engine.expression.types import Type
from fraudstream.engine.expression.units import alike, as_money

_SURPRISALS = {"rarity": RARITIES, "burst": BURSTS}


class Quantities:
    """Types the parts that are not conditions. `any_part`: types a part of any type, as operands and arguments are."""

    def __init__(self, context: Context, any_part: Callable[[Syntax], Typed]) -> None:
        self._context, self._any_part = context, any_part

    def typed(self, syntax: Syntax) -> Typed:
        """A part that is not a condition, with its type. Raises `ExpressionError`."""
        match syntax.what:
            case "number":
                value = np.float64(syntax.value)
                return Typed(Type.NUMBER, syntax, quantity=Constant(value), constant=value)
            case "duration":
                return Typed(Type.DURATION, syntax, quantity=Constant(np.float64(syntax.value)))
            case "text":
                return Typed(Type.TEXT, syntax, words=TextLiteral(syntax.text))
            case "name":
                found = self._context.type_of(syntax)
                if found is Type.TEXT:
                    return Typed(Type.TEXT, syntax, words=TextColumn(syntax.text))
                return Typed(found, syntax, quantity=QuantityColumn(syntax.text))
            case "negative":
                part = self._number_like(syntax.parts[0])
                constant = None if part.constant is None else -part.constant
                return folded(syntax, part.type, Negative(part.as_quantity), constant)
            case "+" | "-":
                return self._addition(syntax)
            case "*":
                return self._product(syntax)
            case "/":
                return self._quotient(syntax)
            case "call":
                return self._call(syntax)
        raise AssertionError(f"{syntax.what} is a condition")

    def _addition(self, syntax: Syntax) -> Typed:
        """`+` and `-`: both sides in one unit."""
        word = "added" if syntax.what == "+" else "subtracted"
        left, right = (self._number_like(part) for part in syntax.parts)
        left, right = alike(self._context, left, right, syntax, word)
        operation = operator.add if syntax.what == "+" else operator.sub
        return self._arithmetic(syntax, left.type, operation, left, right)

    def _product(self, syntax: Syntax) -> Typed:
        """`*`: one side at least must be a plain number."""
        left, right = (self._number_like(part) for part in syntax.parts)
        if Type.NUMBER not in (left.type, right.type):
            both = f"{self._context.described(left)} and {self._context.described(right)}"
            self._context.fail(syntax, f"{both}: their product has no meaning.")
        result = right.type if left.type is Type.NUMBER else left.type
        return self._arithmetic(syntax, result, operator.mul, left, right)

    def _quotient(self, syntax: Syntax) -> Typed:
        """`/`: by a plain number, or by the same unit, which gives a plain number."""
        left, right = (self._number_like(part) for part in syntax.parts)
        if right.constant == 0.0:
            self._context.fail(syntax.parts[1], "division by zero.")
        if right.type is not Type.NUMBER and left.type is not right.type:
            both = f"{self._context.described(left)} and {self._context.described(right)}"
            self._context.fail(syntax, f"{both}: their quotient has no meaning.")
        result = left.type if right.type is Type.NUMBER else Type.NUMBER
        if right.constant is not None:
            return self._arithmetic(syntax, result, operator.truediv, left, right)
        return Typed(result, syntax, quantity=Quotient(left.as_quantity, right.as_quantity))

    def _call(self, syntax: Syntax) -> Typed:
        """abs, min, max, round_down, rarity, burst and lower."""
        if syntax.text == "lower":
            part = self._any_part(syntax.parts[0])
            if part.words is None:
                self._context.fail(syntax.parts[0], f"{self._context.described(part)}: lower() takes text.")
            return Typed(Type.TEXT, syntax, words=Lowered(part.words))
        parts = [self._number_like(part) for part in syntax.parts]
        if syntax.text in _SURPRISALS:
            return self._surprisal(syntax, *parts)
        if syntax.text == "abs":
            return Typed(parts[0].type, syntax, quantity=Magnitude(parts[0].as_quantity))
        if syntax.text == "round_down":
            if parts[1].constant is not None and parts[1].constant <= 0:
                self._context.fail(syntax.parts[1], "the step must be more than zero.")
            left, step = alike(self._context, parts[0], parts[1], syntax, "used in one round_down()")
            return Typed(left.type, syntax, quantity=RoundedDown(left.as_quantity, step.as_quantity))
        operation = np.minimum if syntax.text == "min" else np.maximum
        if any(part.type is Type.MONEY for part in parts):
            parts = [as_money(part) for part in parts]
        result = parts[0]
        for part in parts[1:]:
            left, right = alike(self._context, result, part, syntax, f"used in one {syntax.text}()")
            result = self._arithmetic(syntax, left.type, operation, left, right)
        return result

    def _surprisal(self, syntax: Syntax, left: Typed, right: Typed) -> Typed:
        """rarity and burst: of two plain numbers."""
        for part in (left, right):
            if part.type is not Type.NUMBER:
                described = self._context.described(part)
                self._context.fail(part.syntax, f"{described}: {syntax.text}() takes plain numbers.")
        node = Surprisal(_SURPRISALS[syntax.text], left.as_quantity, right.as_quantity)
        return Typed(Type.NUMBER, syntax, quantity=node)

    def _number_like(self, syntax: Syntax) -> Typed:
        """A part that must be a NUMBER, MONEY or DURATION."""
        typed = self._any_part(syntax)
        if typed.quantity is None:
            described = self._context.described(typed)
            self._context.fail(syntax, f"{described}, where a number, an amount or a duration is expected.")
        return typed

    def _arithmetic(
        self, syntax: Syntax, result: Type, operation: Callable[..., np.float64], left: Typed, right: Typed
    ) -> Typed:
        constant = None
        if left.constant is not None and right.constant is not None:
            with np.errstate(all="ignore"):
                constant = operation(left.constant, right.constant)
        return folded(syntax, result, Arithmetic(operation, left.as_quantity, right.as_quantity), constant)
