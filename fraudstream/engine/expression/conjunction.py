"""Finds two comparisons, joined by `and`, that no payment meets together: `hour > 22 and hour < 6`.

Only comparisons of one name with literals are looked at, two at a time, so every finding is a real contradiction. Under
`not` the comparisons of an `or` are joined by `and`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from fraudstream.engine.expression.condition_nodes import BoolColumn, Not
from fraudstream.engine.expression.nodes import Constant, MajorUnits, QuantityColumn, TextColumn
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.text_nodes import TextPredicate, TextTest
from fraudstream.engine.expression.typed import Leaf, Typed

_Place = tuple[int, int]  # of a comparison in the source: start and end
_FACTORS: Final = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)  # minor units in a major one, of all currencies
_FLIPPED: Final[Mapping[str, str]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class _Range(NamedTuple):
    """Values from `least` to `most`, both included unless open. `money`: they are in major units."""

    least: float
    most: float
    least_open: bool
    most_open: bool
    money: bool


class _Texts(NamedTuple):
    """One of `texts`, or with `negated` none of them."""

    texts: frozenset[str]
    negated: bool


class _Test(NamedTuple):
    """A text that `asked` holds of, or with `negated` does not."""

    asked: TextPredicate
    negated: bool


class _Claim(NamedTuple):
    """What a comparison demands of `name`. `value`: None is any value, `absent` none at all."""

    name: str
    value: _Range | _Texts | _Test | bool | None
    absent: bool = False


def contradiction(tree: Syntax, leaves: Iterable[Leaf]) -> tuple[Leaf, Leaf] | None:
    """The first two comparisons that must hold together and cannot. `leaves`: the comparisons of the expression."""
    at = {(leaf.syntax.start, leaf.syntax.end): leaf for leaf in leaves}
    found: list[tuple[Leaf, Leaf]] = []
    _must_hold(tree, False, at, found)
    return found[0] if found else None


def _must_hold(
    syntax: Syntax, negated: bool, at: Mapping[_Place, Leaf], found: list[tuple[Leaf, Leaf]]
) -> list[tuple[Leaf, _Claim]]:
    """The comparisons that must hold wherever the part is true; pairs that cannot are added to `found`."""
    if syntax.what == "not":
        return _must_hold(syntax.parts[0], not negated, at, found)
    if syntax.what not in ("and", "or"):
        leaf = at.get((syntax.start, syntax.end))
        claim = None if leaf is None else _claim(leaf)
        return [] if leaf is None or claim is None else [(leaf, claim)]
    of_parts = [_must_hold(part, negated, at, found) for part in syntax.parts]
    if (syntax.what == "and") == negated:
        return []  # alternatives: each was checked on its own
    together = [pair for of_part in of_parts for pair in of_part]
    found += [(a, b) for (a, of_a), (b, of_b) in combinations(together, 2) if _excludes(of_a, of_b)]
    return together


def _claim(leaf: Leaf) -> _Claim | None:
    left, right, what = leaf.left, leaf.right, leaf.operator
    if isinstance(left.words, TextColumn) and leaf.texts:
        return _Claim(left.words.name, _Texts(frozenset(leaf.texts), what in ("!=", "not in")))
    condition = leaf.condition.part if isinstance(leaf.condition, Not) else leaf.condition
    if isinstance(condition, TextTest) and isinstance(condition.part, TextColumn):
        return _Claim(condition.part.name, _Test(condition.test, what.startswith("not ")))
    if what in ("is missing", "is present") and (name := _name(left)) is not None:
        return _Claim(name, None, absent=what == "is missing")
    if what == "is" and isinstance(left.condition, BoolColumn):
        return _Claim(left.condition.name, leaf.right_text == "true")
    if right is None or what not in _FLIPPED:
        return None
    if isinstance(right.quantity, QuantityColumn):
        left, right, what = right, left, _FLIPPED[what]
    if isinstance(left.quantity, QuantityColumn) and isinstance(right.quantity, Constant | MajorUnits):
        return _Claim(left.quantity.name, _range(what, right.quantity))
    return None


def _name(typed: Typed) -> str | None:
    """The name that a part consists of."""
    for node in (typed.words, typed.quantity, typed.condition):
        if isinstance(node, TextColumn | QuantityColumn | BoolColumn):
            return node.name
    return None


def _range(what: str, literal: Constant | MajorUnits) -> _Range | None:
    value, money = float(literal.value), isinstance(literal, MajorUnits)
    match what:
        case "<" | "<=":
            return _Range(-math.inf, value, False, what == "<", money)
        case ">" | ">=":
            return _Range(value, math.inf, what == ">", False, money)
        case "==":
            return _Range(value, value, False, False, money)
        case _:
            return None


def _excludes(a: _Claim, b: _Claim) -> bool:
    """Whether no payment meets both claims."""
    if a.name != b.name:
        return False
    if a.absent != b.absent:
        return True
    match a.value, b.value:
        case _Texts() as one, _Texts() as other:
            if one.negated and other.negated:
                return False
            if one.negated != other.negated:
                chosen, refused = (other, one) if one.negated else (one, other)
                return chosen.texts <= refused.texts
            return not one.texts & other.texts
        case (_Texts() as one, _Test() as asked) | (_Test() as asked, _Texts() as one):
            return not one.negated and bool((asked.asked.holds(sorted(one.texts)) == asked.negated).all())
        case _Test() as one, _Test() as other:
            return one.asked == other.asked and one.negated != other.negated
        case _Range() as one, _Range() as other:
            return _disjoint(one, other)
        case bool() as one, bool() as other:
            return one != other
    return False


def _disjoint(a: _Range, b: _Range) -> bool:
    """Whether they have no value in common, whatever the currency."""
    least, least_open = max((a.least, a.least_open), (b.least, b.least_open))
    most, most_shut = min((a.most, not a.most_open), (b.most, not b.most_open))
    shut = most_shut and not least_open
    factors = _FACTORS if a.money else (1.0,)
    for factor in factors:
        low, high = (least, most) if not a.money else (np.rint(least * factor), np.rint(most * factor))
        if low < high or (low == high and shut):
            return False
    return True
