"""Refuses comparisons that hold for no payment: with a value that the field never has, or contradicting another one.

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
from fraudstream.engine.expression.domains import Bounds, Domains, Texts, WholeBounds, fault_of_text
from fraudstream.engine.expression.nodes import Constant, TextLiteral
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.text_nodes import Lowered, Matches, TextPredicate, source_of
from fraudstream.engine.expression.typed import Leaf, Typed, names_in
from fraudstream.engine.expression.types import Type

OPPOSITE: Final[Mapping[str, str]] = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
    "is missing": "is present", "is present": "is missing",
}  # fmt: skip


def opposite(operator: str) -> str:
    """The operator that holds where the other does not: of a comparison, or of a test of text.

    >>> opposite("<"), opposite("starts_with"), opposite("not in")
    ('>=', 'not starts_with', 'in')
    """
    if operator in OPPOSITE:
        return OPPOSITE[operator]
    return operator.removeprefix("not ") if operator.startswith("not ") else f"not {operator}"


class Possibility:
    """Checks the comparisons of one expression. `domains`: the values that names can have; None: nothing is checked.

    Each method notes its faults in the context, so that one check shows all of them.
    """

    def __init__(self, context: Context, domains: Domains | None) -> None:
        self._context, self._checked, self._domains = context, domains is not None, domains or {}

    def check_words(self, left: Typed, right: Typed) -> None:
        """Two texts that are compared: each literal must be one that the other side can hold."""
        self._check_literal(left, right)
        self._check_literal(right, left)
        one, other = self._texts_of(left), self._texts_of(right)
        if one is None or other is None or not (one.values and other.values) or one.values & other.values:
            return
        names = self._context.text(left.syntax), self._context.text(right.syntax)
        both = f"{names[0]} holds a {one.field}, {names[1]} a {other.field}"
        self._context.note(right.syntax, f"{both}: they are never equal.")

    def _check_literal(self, field: Typed, literal: Typed) -> None:
        domain = self._texts_of(field)
        if domain is None or not isinstance(literal.words, TextLiteral):
            return
        sentence = fault_of_text(self._context.text(field.syntax), domain, literal.words.text)
        if sentence is not None:
            self._context.note(literal.syntax, sentence)

    def _texts_of(self, typed: Typed) -> Texts | None:
        """The texts that a name, or the small letters of one, can have; None for anything else."""
        name = source_of(typed.words)
        domain = None if name is None else self._domains.get(name)
        if not isinstance(domain, Texts) or not isinstance(typed.words, Lowered):
            return domain if isinstance(domain, Texts) else None
        return domain.lowered()

    def check_address(self, left: Typed) -> None:
        """A text that is looked for in networks must be one that can be an address."""
        domain = self._texts_of(left)
        if domain is not None and domain.values is not None:
            self._context.note(left.syntax, f"{self._context.text(left.syntax)} is never an address.")

    def check_test(self, left: Typed, test: TextPredicate, literal: Syntax, syntax: Syntax) -> None:
        """A test of text must hold for a text that the part can have."""
        domain = self._texts_of(left)
        written = f"'{self._context.text(syntax)}' is never true"
        if not self._checked:
            return
        if isinstance(left.words, Lowered) and not isinstance(test, Matches) and literal.text != literal.text.lower():
            self._context.note(literal, f"{written}: lower() gives small letters. Write '{literal.text.lower()}'.")
        elif domain is not None and domain.values is not None and not test.holds(sorted(domain.values)).any():
            self._context.note(literal, f"{written}: it is so of no {domain.field}.")
        elif domain is not None and not isinstance(test, Matches) and len(literal.text) > domain.chars_max:
            self._context.note(literal, f"{written}: {domain.field} has at most {domain.chars_max} characters.")

    def check_quantities(self, left: Typed, what: str, right: Typed, syntax: Syntax, *, negated: bool) -> None:
        """The comparison must hold for some payment, as written and as it must hold under `not`."""
        if not self._checked or not names_in(syntax):
            return  # a comparison of literals is intended: it switches something on or off
        for counted, value in ((left, right), (right, left)):
            if what in ("==", "!=") and isinstance(self._bounds_of(counted), WholeBounds) and _is_broken(value):
                self._context.note(syntax, f"{self._context.text(counted.syntax)} is always a whole number.")
        bounds = bounds_of(left.as_quantity, self._domains), bounds_of(right.as_quantity, self._domains)
        beyond = bounds[1].least > bounds[0].most, bounds[0].least > bounds[1].most
        sides = [_described(self._context, *side) for side in zip((left, right), bounds, beyond, strict=True)]
        why = " and ".join(side for side in sides if side)
        if not possible(what, *bounds):
            self._context.note(syntax, f"'{self._context.text(syntax)}' is never true: {why}.")
        if negated and not possible(OPPOSITE[what], *bounds):
            self._context.note(syntax, f"'{self._context.text(syntax)}' is always true, so 'not' of it is not: {why}.")

    def _bounds_of(self, typed: Typed) -> Bounds:
        return bounds_of(typed.as_quantity, self._domains)

    def check_conjunctions(self, tree: Syntax, leaves: Iterable[Leaf]) -> None:
        """Comparisons joined by `and` must be able to hold together."""
        found = contradiction(tree, leaves) if self._checked else None
        if found is not None:
            first, second = (_as_it_must_hold(leaf, self._context.text(leaf.syntax)) for leaf in found)
            self._context.note(
                found[1].syntax, f"'{second}' and '{first}' are never true together. Was 'or' meant, or another value?"
            )


def _is_broken(typed: Typed) -> bool:
    """Whether it is a number as written, with decimals."""
    return isinstance(typed.quantity, Constant) and float(typed.quantity.value) % 1 != 0


def _as_it_must_hold(leaf: Leaf, written: str) -> str:
    """A comparison as written, with the `not` under which it stands."""
    asked = leaf.syntax.text if leaf.syntax.what == "call" else leaf.syntax.what
    negated = leaf.right_text == "false" if leaf.operator == "is" else leaf.operator != asked
    return f"not {written}" if negated else written


def _described(context: Context, typed: Typed, bounds: Bounds, beyond: bool) -> str:
    """What is known of the values of a part: "hour is from 0 to 23"; empty for a literal, or if nothing is known.

    `beyond`: whether the other side is above all of them.
    """
    least, most = (None if math.isinf(end) else end for end in bounds)
    if typed.type is Type.MONEY and most is not None and most > 0 and not beyond:
        most = None  # in minor units of whatever currency: hardly a rule meets it
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
