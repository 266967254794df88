"""Refuses comparisons that hold for no payment: with a value that the field never has, or at odds with another one.

country == "DEU"            a country has two letters
lat > 200                   a latitude is at most 90
hour > 22 and hour < 6      each holds for some payments, both together for none
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from fraudstream.contracts.duration import duration_text
from fraudstream.engine.expression.bounds import bounds_of, possible
from fraudstream.engine.expression.conjunction import contradiction
from fraudstream.engine.expression.context import Context
from fraudstream.engine.expression.domains import Bounds, Domains, Texts, fault_of_text
from fraudstream.engine.expression.nodes import TextColumn, TextLiteral
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.typed import Leaf, Typed, names_in
from fraudstream.engine.expression.types import Type

OPPOSITE: Final[Mapping[str, str]] = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
    "in": "not in", "not in": "in", "is missing": "is present", "is present": "is missing",
}  # fmt: skip


class Possibility:
    """Checks the comparisons of one expression. `domains`: the values that names can have. Raises `ExpressionError`."""

    def __init__(self, context: Context, domains: Domains) -> None:
        self._context, self._domains = context, domains

    def check_words(self, field: Typed, other: Typed) -> None:
        """`other`, compared with the text `field`, must be a text that it can hold, or one that can hold its texts."""
        if not isinstance(field.words, TextColumn):
            return
        domain = self._domains.get(field.words.name)
        if not isinstance(domain, Texts):
            return
        if isinstance(other.words, TextLiteral):
            if (sentence := fault_of_text(field.words.name, domain, other.words.text)) is not None:
                self._context.fail(other.syntax, sentence)
        elif isinstance(other.words, TextColumn):
            of_other = self._domains.get(other.words.name)
            if (
                isinstance(of_other, Texts)
                and domain.values
                and of_other.values
                and not domain.values & of_other.values
            ):
                both = f"{field.words.name} holds a {domain.field}, {other.words.name} a {of_other.field}"
                self._context.fail(other.syntax, f"{both}: they are never equal.")

    def check_quantities(self, left: Typed, what: str, right: Typed, syntax: Syntax, *, negated: bool) -> None:
        """The comparison must hold for some payment, as written and as it must hold under `not`."""
        if not names_in(syntax):
            return  # a comparison of literals is meant: it switches something on or off
        bounds = bounds_of(left.as_quantity, self._domains), bounds_of(right.as_quantity, self._domains)
        sides = [_described(self._context, *side) for side in zip((left, right), bounds, strict=True)]
        why = " and ".join(side for side in sides if side)
        if not possible(what, *bounds):
            self._context.fail(syntax, f"'{self._context.text(syntax)}' is never true: {why}.")
        if negated and not possible(OPPOSITE[what], *bounds):
            self._context.fail(syntax, f"'{self._context.text(syntax)}' is always true, so 'not' of it is not: {why}.")

    def check_conjunctions(self, tree: Syntax, leaves: Iterable[Leaf]) -> None:
        """Comparisons joined by `and` must be able to hold together."""
        found = contradiction(tree, leaves)
        if found is not None:
            first, second = (self._context.text(leaf.syntax) for leaf in found)
            self._context.fail(
                found[1].syntax, f"'{second}' and '{first}' are never true together. Was 'or' meant, or another value?"
            )


def _described(context: Context, typed: Typed, bounds: Bounds) -> str:
    """What is known of the values of a part: "hour is from 0 to 23"; empty for a literal, or if nothing is known."""
    least, most = (None if math.isinf(end) else end for end in bounds)
    if typed.type is Type.MONEY and most is not None and most > 0:
        most = None  # in minor units of whatever currency: no bound that a rule meets
    if typed.is_literal or (least is None and most is None):
        return ""
    name = context.text(typed.syntax)
    if least is None:
        return f"{name} is never above {_value(most or 0.0, typed.type)}"
    if most is None:
        return f"{name} is never below {_value(least, typed.type)}"
    return f"{name} is from {_value(least, typed.type)} to {_value(most, typed.type)}"


def _value(value: float, type_: Type) -> str:
    if type_ is Type.DURATION and value:
        return duration_text(value)
    return f"{value + 0.0:g}" + (" minor units" if type_ is Type.MONEY and value else "")
