"""A compiled expression, and the comparisons in it that an alert shows as evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fraudstream.engine.arrays import BoolArray, UInt64Array
from fraudstream.engine.expression.at_row import TestOfRow, ValueOfRow, test_of_row, value_of_row
from fraudstream.engine.expression.bounds import bounds_of
from fraudstream.engine.expression.checker import Checker
from fraudstream.engine.expression.columns import ColumnSource, Truth, Values
from fraudstream.engine.expression.condition_nodes import All, BoolColumn, Not
from fraudstream.engine.expression.domains import PAYMENT_DOMAINS, Bounds, Domains
from fraudstream.engine.expression.nodes import (
    Condition,
    Quantity,
    QuantityColumn,
    TextColumn,
    TextLiteral,
)
from fraudstream.engine.expression.parser import parse
from fraudstream.engine.expression.shortfall import shortfall
from fraudstream.engine.expression.text_nodes import digested
from fraudstream.engine.expression.typed import Leaf, Typed, names_in
from fraudstream.engine.expression.types import Origin, Symbols, Type, ValueLists


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. `source`: as written, with white space normalised. `names`: the symbols that it reads.
    `comparisons`: the comparisons in it, in order.
    """

    source: str
    type: Type
    names: frozenset[str]
    comparisons: tuple[Comparison, ...]
    _typed: Typed = field(repr=False)

    def evaluate(self, columns: ColumnSource) -> Truth | Values:
        """`Truth` for BOOL, else values of shape (n,). For TEXT use `digests`."""
        return self.truth(columns) if self.type is Type.BOOL else self.values(columns)

    def true(self, columns: ColumnSource) -> BoolArray:
        """Where a BOOL expression is true: bool, shape (n,). All that a rule needs, at half the cost of `truth`."""
        return _true(self.condition, columns)

    def truth(self, columns: ColumnSource) -> Truth:
        """Where it is true, and where it is known: both bool, shape (n,)."""
        return _truth(self.condition, columns)

    def shortfall(self, columns: ColumnSource) -> Values:
        """How much a BOOL expression lacks to be true: see `shortfall`. float64, shape (n,)."""
        with np.errstate(all="ignore"):
            lacks: Values = _spread(shortfall(self.condition, columns), columns.n)
        return lacks

    def values(self, columns: ColumnSource) -> Values:
        """Values of a NUMBER, MONEY (minor units) or DURATION (ms) expression: float64, shape (n,), NaN = missing."""
        with np.errstate(all="ignore"):
            values: Values = _spread(self.quantity.values(columns), columns.n)
        return values

    def digests(self, columns: ColumnSource) -> UInt64Array:
        """Digests of a TEXT expression: uint64, shape (n,), 0 = missing."""
        assert self._typed.words is not None, f"{self.source} is {self.type.value}"
        digests: UInt64Array = _spread(digested(self._typed.words).digests(columns), columns.n)
        return digests

    def texts(self, columns: ColumnSource) -> list[str | None]:
        """The texts of a TEXT expression: n of them, None where missing."""
        found = self._typed.as_words.texts(columns)
        texts = [*found.texts, None]  # code -1 is the last
        return [texts[code] for code in _spread(found.code, columns.n).tolist()]

    def value_of_row(self) -> ValueOfRow:
        """A function with the value of a NUMBER, MONEY or DURATION for one payment, as `values` has it."""
        return value_of_row(self.quantity)

    def test_of_row(self) -> TestOfRow:
        """A function that tells of one payment whether a BOOL expression is true, as `true` does."""
        return test_of_row(self.condition)

    @property
    def is_literal(self) -> bool:
        """Whether it is a number, an amount or a duration as written."""
        return self._typed.is_literal

    @property
    def constant(self) -> float | None:
        """The value of a bare number, or of arithmetic on bare numbers only."""
        return None if self._typed.constant is None else float(self._typed.constant)

    @property
    def column(self) -> str | None:
        """The name of the field or feature that it is, unless it is text; None if it is more than one name."""
        node = self._typed.quantity or self._typed.condition
        return node.name if isinstance(node, QuantityColumn | BoolColumn) else None

    @property
    def text_field(self) -> str | None:
        """The name of the field that a TEXT expression is: columns hold only the digest of its value."""
        return self._typed.words.name if isinstance(self._typed.words, TextColumn) else None

    @property
    def text_literal(self) -> str | None:
        """The text of a TEXT expression that is a literal."""
        return self._typed.words.text if isinstance(self._typed.words, TextLiteral) else None

    def bounds(self, domains: Domains) -> Bounds:
        """The lowest and the highest value of a NUMBER, MONEY (minor units) or DURATION (ms) expression."""
        return bounds_of(self.quantity, domains)

    @property
    def condition(self) -> Condition:
        """The node of a BOOL expression."""
        assert self._typed.condition is not None, f"{self.source} is {self.type.value}"
        return self._typed.condition

    @property
    def quantity(self) -> Quantity:
        """The node of a NUMBER, MONEY or DURATION expression."""
        assert self._typed.quantity is not None, f"{self.source} is {self.type.value}"
        return self._typed.quantity


@dataclass(frozen=True, slots=True)
class Comparison:
    """One leaf: `left operator right_text`, as it must hold for the whole to be true (`not (a < b)` shows `a >= b`).

    `operator`: < <= > >= == !=, and without `right`: in, not in, is missing, is present, is (true or false).
    `listed`: the list that it reads, by name; the column `lists.NAME` holds until when a value is on it. `certain`: it
    holds wherever the whole is true, as the whole is a conjunction with it.
    """

    left: Expression
    operator: str
    right: Expression | None
    right_text: str
    _condition: Condition = field(repr=False)
    listed: str | None = None
    certain: bool = False

    def holds(self, columns: ColumnSource) -> BoolArray:
        """Where it holds: bool, shape (n,). Under an `or` a comparison need not hold for the rule to fire."""
        return _true(self._condition, columns)

    def truth(self, columns: ColumnSource) -> Truth:
        """Where it is true, and where it is known: both bool, shape (n,)."""
        return _truth(self._condition, columns)

    def test_of_row(self) -> TestOfRow:
        """A function that tells whether it holds for one payment."""
        return test_of_row(self._condition)


def compile_expression(
    source: str,
    symbols: Symbols,
    expected: Type | tuple[Type, ...],
    origin: Origin,
    lists: ValueLists | None = None,
    domains: Domains | None = PAYMENT_DOMAINS,
) -> Expression:
    """Parse and check an expression of one of the `expected` types. Raises `ExpressionError`, whatever the text.

    `symbols`: the names it may read. `lists`: the lists it may read; None if it may read none. `origin`: where `source`
    begins in its file. `domains`: the values that names can have; a comparison that holds for none of them is refused,
    unless `domains` is None.

    >>> symbols = {"amount": Type.MONEY, "kind": Type.TEXT}
    >>> rule = compile_expression("amount > 100 and not kind == 'fee'", symbols, Type.BOOL, Origin("a.yaml", 9, 7))
    >>> [f"{leaf.left.source} {leaf.operator} {leaf.right_text}" for leaf in rule.comparisons]
    ['amount > 100', "kind != 'fee'"]
    """
    tree = parse(source, origin)
    checker = Checker(source, symbols, lists, origin, domains)
    typed = checker.check(tree, expected if isinstance(expected, tuple) else (expected,))
    conjuncts = [] if typed.condition is None else _conjuncts(typed.condition)
    return Expression(
        source=" ".join(source.split()),
        type=typed.type,
        names=frozenset(checker.names),
        comparisons=tuple(_comparison(leaf, source, conjuncts) for leaf in checker.leaves),
        _typed=typed,
    )


def _comparison(leaf: Leaf, source: str, conjuncts: list[Condition]) -> Comparison:
    left, right = _part(leaf.left, source), None if leaf.right is None else _part(leaf.right, source)
    certain = any(_same(leaf.condition, conjunct) for conjunct in conjuncts)
    return Comparison(left, leaf.operator, right, leaf.right_text, leaf.condition, leaf.listed, certain)


def _conjuncts(condition: Condition) -> list[Condition]:
    """The conditions that are true wherever `condition` is, as it is their conjunction."""
    if isinstance(condition, All):
        return [conjunct for part in condition.parts for conjunct in _conjuncts(part)]
    return [condition]


def _same(one: Condition, other: Condition) -> bool:
    """Whether both are one node, or the negations of one node."""
    if isinstance(one, Not) and isinstance(other, Not):
        return one.part is other.part
    return one is other


def _part(typed: Typed, source: str) -> Expression:
    text = " ".join(source[typed.syntax.start : typed.syntax.end].split())
    return Expression(text, typed.type, names_in(typed.syntax), (), typed)


def _true(condition: Condition, columns: ColumnSource) -> BoolArray:
    with np.errstate(all="ignore"):
        answer: BoolArray = _spread(condition.true(columns), columns.n)
    return answer


def _truth(condition: Condition, columns: ColumnSource) -> Truth:
    with np.errstate(all="ignore"):
        true, false = condition.true(columns), condition.false(columns)
    return Truth(_spread(true, columns.n), _spread(true | false, columns.n))


def _spread(answer: Any, n: int) -> Any:
    return answer if isinstance(answer, np.ndarray) and answer.shape == (n,) else np.full(n, answer)
