"""Syntax to typed nodes: every name known, every unit right, every word of a code list spelt as it is.

A bare number beside money means major units of the payment's currency. Everything else must agree in unit: the
sentences say what was meant.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import numpy as np

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.digest import digest_text
from fraudstream.engine.expression.fault import ExpressionError, fault_at
from fraudstream.engine.expression.lexer import MS_PER_UNIT
from fraudstream.engine.expression.nodes import (
    QUANTITY_COMPARISONS,
    Agreement,
    All,
    AnyOf,
    Arithmetic,
    BoolColumn,
    Condition,
    ConditionMissing,
    Constant,
    Known,
    Magnitude,
    MajorUnits,
    Negative,
    Not,
    OneOf,
    OnList,
    Quantity,
    QuantityColumn,
    QuantityComparison,
    QuantityMissing,
    Quotient,
    RoundedDown,
    TextColumn,
    TextLiteral,
    TextMissing,
    Words,
)
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.types import WORDS_OF, Origin, Symbols, Type, ValueLists

_QUANTITIES = (Type.NUMBER, Type.MONEY, Type.DURATION)
_CONDITIONS = frozenset({"and", "or", "not", "bool", "in", "not in", "is missing", "is present"})
_OPPOSITE = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
    "in": "not in", "not in": "in", "is missing": "is present", "is present": "is missing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Typed:
    """A part of an expression with its type, and the one of the three nodes that is due by the type.

    `constant`: the value of a bare number, or of arithmetic with nothing but bare numbers.
    """

    type: Type
    syntax: Syntax
    quantity: Quantity | None = None
    words: Words | None = None
    condition: Condition | None = None
    constant: np.float64 | None = None

    @property
    def as_quantity(self) -> Quantity:
        assert self.quantity is not None, f"{self.syntax.text} is {self.type.value}"
        return self.quantity

    @property
    def as_words(self) -> Words:
        assert self.words is not None, f"{self.syntax.text} is {self.type.value}"
        return self.words


class Leaf(NamedTuple):
    """A comparison as it must hold for the whole to be true: under an odd number of `not` the operator is turned.
    `listed`: the list that it asks, by name."""

    left: Typed
    operator: str
    right: Typed | None
    right_text: str
    condition: Condition
    listed: str | None = None


class Checker:
    """Checks one expression. `names` and `leaves` are filled on the way, in the order of the text."""

    def __init__(self, source: str, symbols: Symbols, lists: ValueLists | None, origin: Origin) -> None:
        self._source = source
        self._symbols = symbols
        self._lists = lists
        self._origin = origin
        self.names: set[str] = set()
        self.leaves: list[Leaf] = []

    def check(self, tree: Syntax, expected: tuple[Type, ...]) -> Typed:
        """The whole expression, which must be of one of the types `expected`. Raises `ExpressionError`."""
        if expected == (Type.BOOL,) or self._is_condition(tree):
            typed = self._typed_condition(tree, negated=False)
        else:
            typed = self._quantity_or_words(tree)
            if Type.MONEY in expected and Type.NUMBER not in expected:
                typed = self._as_money(typed)
        if typed.type not in expected:
            due = " or ".join(found.value for found in expected)
            self._fail(tree, f"{self._named(typed)}, but {due} is due here.")
        return typed

    # --- conditions

    def _typed_condition(self, syntax: Syntax, *, negated: bool) -> Typed:
        return Typed(Type.BOOL, syntax, condition=self._condition(syntax, negated=negated))

    def _condition(self, syntax: Syntax, *, negated: bool) -> Condition:
        match syntax.what:
            case "and" | "or":
                parts = tuple(self._condition(part, negated=negated) for part in syntax.parts)
                return All(parts) if syntax.what == "and" else AnyOf(parts)
            case "not":
                return Not(self._condition(syntax.parts[0], negated=not negated))
            case "in" | "not in":
                return self._membership(syntax, negated)
            case "is missing" | "is present":
                return self._absence(syntax, negated)
            case what if what in QUANTITY_COMPARISONS:
                return self._comparison(syntax, negated)
            case "bool":
                return Known(syntax.text == "true")
            case _:
                return self._bool_name(syntax, negated)

    def _bool_name(self, syntax: Syntax, negated: bool) -> Condition:
        if syntax.what != "name" or self._type_of(syntax) is not Type.BOOL:
            typed = self._quantity_or_words(syntax)
            raise self._error(syntax, f"{self._named(typed)}, where true or false is due: compare it with something.")
        condition: Condition = BoolColumn(syntax.text)
        holds = Not(condition) if negated else condition
        typed = Typed(Type.BOOL, syntax, condition=condition)
        self.leaves.append(Leaf(typed, "is", None, "false" if negated else "true", holds))
        return condition

    def _comparison(self, syntax: Syntax, negated: bool) -> Condition:
        left, right = (self._any(part) for part in syntax.parts)
        condition: Condition
        if left.condition is not None and right.condition is not None:
            if syntax.what not in ("==", "!="):
                self._fail(syntax, f"'{syntax.what}' has no meaning for true and false.")
            condition = Agreement(left.condition, right.condition)
            condition = condition if syntax.what == "==" else Not(condition)
        elif left.words is not None and right.words is not None:
            if syntax.what not in ("==", "!="):
                self._fail(syntax, f"'{syntax.what}' has no meaning for text: only '==', '!=' and 'in' do.")
            self._check_word(left, right)
            self._check_word(right, left)
            if isinstance(left.words, TextLiteral):
                left, right = right, left
            condition = OneOf(left.as_words, (right.as_words,))
            condition = condition if syntax.what == "==" else Not(condition)
        else:
            left, right = self._alike(left, right, syntax, "compared")
            when_true, when_false = QUANTITY_COMPARISONS[syntax.what]
            condition = QuantityComparison(when_true, when_false, left.as_quantity, right.as_quantity)
        self._leaf(left, syntax.what, right, self._text(right.syntax), condition, negated=negated)
        return condition

    def _membership(self, syntax: Syntax, negated: bool) -> Condition:
        left = self._any(syntax.parts[0])
        if left.words is None:
            self._fail(syntax.parts[0], f"{self._named(left)}: only text can be looked for in a list.")
        if syntax.parts[1].what == "list":
            return self._listed(syntax, left, negated)
        choices = []
        for part in syntax.parts[1:]:
            choice = self._any(part)
            self._check_word(left, choice)
            choices.append(choice.as_words)
        condition: Condition = OneOf(left.words, tuple(choices))
        condition = condition if syntax.what == "in" else Not(condition)
        text = f"({', '.join(self._text(part) for part in syntax.parts[1:])})"
        self._leaf(left, syntax.what, None, text, condition, negated=negated)
        return condition

    def _listed(self, syntax: Syntax, left: Typed, negated: bool) -> Condition:
        """Membership of a list that lists.yaml declares."""
        at = syntax.parts[1]
        prefix, _, name = at.text.partition(".")
        if prefix != "lists":
            self._fail(at, f'no list \'{at.text}\': write lists.NAME, or text in parentheses, such as ("app", "web").')
        if self._lists is None:
            self._fail(at, "only rules and the score ask lists: what is remembered must not depend on them.")
        if name not in self._lists:
            known = [f"lists.{known}" for known in self._lists]
            self._fail(at, f"no list '{at.text}': declare it in lists.yaml.{nearest(at.text, known)}")
        of = self._lists[name].of
        if not isinstance(left.words, TextColumn) or left.words.name != of:
            self._fail(syntax.parts[0], f"{at.text} holds values of {of}: write '{of} {syntax.what} {at.text}'.")
        condition: Condition = OnList(left.words, at.text)
        condition = condition if syntax.what == "in" else Not(condition)
        self._leaf(left, syntax.what, None, at.text, condition, negated=negated, listed=name)
        return condition

    def _absence(self, syntax: Syntax, negated: bool) -> Condition:
        part = self._any(syntax.parts[0])
        condition: Condition
        if part.quantity is not None:
            condition = QuantityMissing(part.quantity)
        elif part.words is not None:
            condition = TextMissing(part.words)
        else:
            assert part.condition is not None
            condition = ConditionMissing(part.condition)
        condition = condition if syntax.what == "is missing" else Not(condition)
        self._leaf(part, syntax.what, None, "", condition, negated=negated)
        return condition

    def _leaf(
        self,
        left: Typed,
        what: str,
        right: Typed | None,
        right_text: str,
        condition: Condition,
        *,
        negated: bool,
        listed: str | None = None,
    ) -> None:
        if negated:
            self.leaves.append(Leaf(left, _OPPOSITE[what], right, right_text, Not(condition), listed))
        else:
            self.leaves.append(Leaf(left, what, right, right_text, condition, listed))

    def _check_word(self, field: Typed, literal: Typed) -> None:
        if not isinstance(field.words, TextColumn) or not isinstance(literal.words, TextLiteral):
            return
        name, text = field.words.name, literal.words.text
        words = WORDS_OF.get(name)
        if words is not None and text not in words:
            self._fail(
                literal.syntax, f"{name} is never '{text}'; it is one of {', '.join(words)}.{nearest(text, words)}"
            )
        if name == "currency" and text not in EXPONENTS:
            self._fail(literal.syntax, f"'{text}' is no currency of ISO 4217.{nearest(text, EXPONENTS)}")

    # --- quantities and text

    def _any(self, syntax: Syntax) -> Typed:
        """A part of any type. Comparisons inside it are not leaves of their own: the one around it is."""
        known = len(self.leaves)
        if self._is_condition(syntax):
            typed = self._typed_condition(syntax, negated=False)
        else:
            typed = self._quantity_or_words(syntax)
        del self.leaves[known:]
        return typed

    def _is_condition(self, syntax: Syntax) -> bool:
        if syntax.what == "name":
            return self._type_of(syntax) is Type.BOOL
        return syntax.what in _CONDITIONS or syntax.what in QUANTITY_COMPARISONS

    def _quantity_or_words(self, syntax: Syntax) -> Typed:
        match syntax.what:
            case "number":
                value = np.float64(syntax.value)
                return Typed(Type.NUMBER, syntax, quantity=Constant(value), constant=value)
            case "duration":
                return Typed(Type.DURATION, syntax, quantity=Constant(np.float64(syntax.value)))
            case "text":
                digest = np.uint64(digest_text(syntax.text))
                return Typed(Type.TEXT, syntax, words=TextLiteral(syntax.text, digest))
            case "name":
                found = self._type_of(syntax)
                if found is Type.TEXT:
                    return Typed(Type.TEXT, syntax, words=TextColumn(syntax.text))
                return Typed(found, syntax, quantity=QuantityColumn(syntax.text))
            case "negative":
                part = self._number_like(syntax.parts[0])
                constant = None if part.constant is None else -part.constant
                return self._folded(syntax, part.type, Negative(part.as_quantity), constant)
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
        word = "added" if syntax.what == "+" else "subtracted"
        left, right = (self._number_like(part) for part in syntax.parts)
        left, right = self._alike(left, right, syntax, word)
        operation = operator.add if syntax.what == "+" else operator.sub
        return self._arithmetic(syntax, left.type, operation, left, right)

    def _product(self, syntax: Syntax) -> Typed:
        left, right = (self._number_like(part) for part in syntax.parts)
        if Type.NUMBER not in (left.type, right.type):
            self._fail(syntax, f"{self._named(left)} and {self._named(right)}: their product has no meaning.")
        result = right.type if left.type is Type.NUMBER else left.type
        return self._arithmetic(syntax, result, operator.mul, left, right)

    def _quotient(self, syntax: Syntax) -> Typed:
        left, right = (self._number_like(part) for part in syntax.parts)
        if right.constant == 0.0:
            self._fail(syntax.parts[1], "division by zero.")
        if right.type is not Type.NUMBER and left.type is not right.type:
            self._fail(syntax, f"{self._named(left)} and {self._named(right)}: their quotient has no meaning.")
        result = left.type if right.type is Type.NUMBER else Type.NUMBER
        if right.constant is not None:
            return self._arithmetic(syntax, result, operator.truediv, left, right)
        return Typed(result, syntax, quantity=Quotient(left.as_quantity, right.as_quantity))

    def _call(self, syntax: Syntax) -> Typed:
        parts = [self._number_like(part) for part in syntax.parts]
        if syntax.text == "abs":
            return Typed(parts[0].type, syntax, quantity=Magnitude(parts[0].as_quantity))
        if syntax.text == "round_down":
            if parts[1].constant is not None and parts[1].constant <= 0:
                self._fail(syntax.parts[1], "the step must be more than zero.")
            left, step = self._alike(parts[0], parts[1], syntax, "used in one round_down()")
            return Typed(left.type, syntax, quantity=RoundedDown(left.as_quantity, step.as_quantity))
        operation = np.minimum if syntax.text == "min" else np.maximum
        if any(part.type is Type.MONEY for part in parts):
            parts = [self._as_money(part) for part in parts]
        result = parts[0]
        for part in parts[1:]:
            left, right = self._alike(result, part, syntax, f"used in one {syntax.text}()")
            result = self._arithmetic(syntax, left.type, operation, left, right)
        return result

    def _number_like(self, syntax: Syntax) -> Typed:
        typed = self._any(syntax)
        if typed.quantity is None:
            self._fail(syntax, f"{self._named(typed)}, where a number, an amount or a duration is due.")
        return typed

    def _arithmetic(
        self, syntax: Syntax, result: Type, operation: Callable[..., np.float64], left: Typed, right: Typed
    ) -> Typed:
        constant = None
        if left.constant is not None and right.constant is not None:
            with np.errstate(all="ignore"):
                constant = operation(left.constant, right.constant)
        return self._folded(syntax, result, Arithmetic(operation, left.as_quantity, right.as_quantity), constant)

    def _folded(self, syntax: Syntax, result: Type, quantity: Quantity, constant: np.float64 | None) -> Typed:
        if constant is None or result is not Type.NUMBER:
            return Typed(result, syntax, quantity=quantity)
        return Typed(result, syntax, quantity=Constant(constant), constant=constant)

    # --- units

    def _as_money(self, typed: Typed) -> Typed:
        if typed.type is Type.NUMBER and typed.constant is not None:
            return Typed(Type.MONEY, typed.syntax, quantity=MajorUnits(typed.constant))
        return typed

    def _alike(self, left: Typed, right: Typed, syntax: Syntax, done: str) -> tuple[Typed, Typed]:
        """Both sides in one unit, a bare number beside money as money."""
        if left.type is Type.MONEY:
            right = self._as_money(right)
        elif right.type is Type.MONEY:
            left = self._as_money(left)
        if left.type is right.type and left.type in _QUANTITIES:
            return left, right
        at = right if left.constant is None else left
        hint = ""
        if {left.type, right.type} == {Type.NUMBER, Type.DURATION}:
            constant = right.constant if left.constant is None else left.constant
            hint = " Write the unit, as in 90s, 15m, 24h, 30d."
            if constant is not None and (meant := _duration_text(float(constant))):
                hint = f" If milliseconds were meant, write {meant}."
        elif {left.type, right.type} == {Type.NUMBER, Type.MONEY}:
            hint = " Only a literal number can stand for an amount; to scale an amount, multiply it."
        raise self._error(at.syntax, f"{self._named(left)}, {self._named(right)}: they can't be {done}.{hint}")

    def _type_of(self, syntax: Syntax) -> Type:
        name = syntax.text
        found = self._symbols.get(name)
        if found is None and name.startswith("lists."):
            self._fail(syntax, f"'{name}' is asked with 'in': a field, such as device_id, in {name}.")
        if found is None:
            self._fail(syntax, f"no field or feature '{name}'.{nearest(name, self._symbols) or _hint(name)}")
        self.names.add(name)
        return found

    def _named(self, typed: Typed) -> str:
        return f"'{self._text(typed.syntax)}' is {typed.type.value}"

    def _text(self, syntax: Syntax) -> str:
        return " ".join(self._source[syntax.start : syntax.end].split())

    def _fail(self, syntax: Syntax, sentence: str) -> NoReturn:
        raise self._error(syntax, sentence)

    def _error(self, syntax: Syntax, sentence: str) -> ExpressionError:
        return ExpressionError(fault_at(self._source, syntax.start, self._origin, sentence))


def _hint(name: str) -> str:
    """What a bare word that is no name may have been meant for."""
    if name.lower() in ("null", "none", "nil"):
        return " To ask whether there is a value, write 'is missing' or 'is present'."
    return "" if "." in name else " Text stands in quotes."


def _duration_text(value_ms: float) -> str:
    """The shortest literal for a whole number of seconds, or nothing."""
    for unit in ("d", "h", "m", "s"):
        if value_ms >= MS_PER_UNIT[unit] and value_ms % MS_PER_UNIT[unit] == 0:
            return f"{value_ms / MS_PER_UNIT[unit]:.0f}{unit}"
    return ""
