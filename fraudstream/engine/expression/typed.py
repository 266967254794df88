"""A part of an expression with its type, and a comparison to be shown as evidence: what the checker produces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fraudstream.engine.expression.nodes import (
    Condition,
    Constant,
    MajorUnits,
    Quantity,
    Words,
)
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.types import Type


@dataclass(frozen=True, slots=True)
class Typed:
    """A part of an expression with its type. Of the three nodes it has the one that the type requires.

    `constant`: the value of a bare number, or of arithmetic on bare numbers only.
    """

    type: Type
    syntax: Syntax
    quantity: Quantity | None = None
    words: Words | None = None
    condition: Condition | None = None
    constant: np.float64 | None = None

    @property
    def as_quantity(self) -> Quantity:
        """The node of a NUMBER, MONEY or DURATION."""
        assert self.quantity is not None, f"{self.syntax.text} is {self.type.value}"
        return self.quantity

    @property
    def as_words(self) -> Words:
        """The node of a TEXT."""
        assert self.words is not None, f"{self.syntax.text} is {self.type.value}"
        return self.words

    @property
    def is_literal(self) -> bool:
        """Whether it is a number, an amount or a duration as written."""
        return isinstance(self.quantity, Constant | MajorUnits)


class Leaf(NamedTuple):
    """A comparison as it must hold for the whole expression to be true.

    Under an odd number of `not` the operator is the opposite one. `listed`: the name of the list that it reads, if any.
    `texts`: the literals that a text must equal one of, or with `!=` and `not in` none of; empty for other comparisons.
    """

    syntax: Syntax
    left: Typed
    operator: str
    right: Typed | None
    right_text: str
    condition: Condition
    listed: str | None = None
    texts: tuple[str, ...] = ()


def folded(syntax: Syntax, result: Type, quantity: Quantity, constant: np.float64 | None) -> Typed:
    """A quantity of type `result`; if it is a plain number of known value, that constant in place of its node."""
    if constant is None or result is not Type.NUMBER:
        return Typed(result, syntax, quantity=quantity)
    return Typed(result, syntax, quantity=Constant(constant), constant=constant)


def names_in(syntax: Syntax) -> frozenset[str]:
    """The names of fields and features in a part."""
    pending, names = [syntax], set[str]()
    while pending:
        part = pending.pop()
        pending.extend(part.parts)
        if part.what == "name":
            names.add(part.text)
    return frozenset(names)
