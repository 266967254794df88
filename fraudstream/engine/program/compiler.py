"""Nodes of an expression to lines of a program; `expression.nodes` says what each node means.

A condition has two rows, as it has two methods: where it is true, and where it is false. Only those that are asked for
are computed.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from fraudstream.engine.digest import DigestKey, digest_text
from fraudstream.engine.expression import condition_nodes, nodes
from fraudstream.engine.frame import FrameLayout
from fraudstream.engine.program.lines import Lines, Operand, Place
from fraudstream.engine.program.operations import (
    ABSOLUTE,
    ADD,
    ALWAYS,
    AND,
    AND_NOT,
    BURST,
    DIVIDE,
    EQUAL,
    HAS_TEXT,
    LESS,
    LESS_EQUAL,
    MAXIMUM,
    MINIMUM,
    MINOR_UNITS,
    MULTIPLY,
    NEGATIVE,
    NOT,
    ONE_OF,
    OR,
    OUTSIDE,
    QUOTIENT,
    RARITY,
    ROUND_DOWN,
    SAME_TEXT,
    SUBTRACT,
    UNEQUAL,
)

_ARITHMETIC: Final[Mapping[object, int]] = {
    operator.add: ADD,
    operator.sub: SUBTRACT,
    operator.mul: MULTIPLY,
    operator.truediv: DIVIDE,
    np.minimum: MINIMUM,
    np.maximum: MAXIMUM,
}

_SURPRISALS: Final[Mapping[object, int]] = {nodes.RARITIES: RARITY, nodes.BURSTS: BURST}

# The operation of each comparison, and whether its sides change places.
_COMPARISONS: Final[Mapping[object, tuple[int, bool]]] = {
    condition_nodes.QUANTITY_COMPARISONS[written][0]: compiled
    for written, compiled in {
        "<": (LESS, False),
        "<=": (LESS_EQUAL, False),
        ">": (LESS, True),
        ">=": (LESS_EQUAL, True),
        "==": (EQUAL, False),
        "!=": (UNEQUAL, False),
    }.items()
}


class OutsideCondition(NamedTuple):
    """A condition that is not compiled, as it looks into texts. If not `wanted`, it is asked where it is false."""

    condition: nodes.Condition
    wanted: bool


class Compiler:
    """Adds the lines of nodes to `lines`. `outside`: the conditions that Python evaluates, by row.

    `layout`: of the frames that the program will read. `key`: of their digests.
    """

    def __init__(self, layout: FrameLayout, key: DigestKey) -> None:
        self.lines = Lines(len(layout.numbers), len(layout.texts))
        self.outside: list[OutsideCondition] = []
        # By id of the node, which is held, and `wanted`: else `==` of conditions in each other takes 2**depth steps.
        self._conditions: dict[tuple[int, bool], tuple[nodes.Condition, Operand]] = {}
        self._key = key
        self._number = {name: Operand(Place.FRAME, row) for row, name in enumerate(layout.numbers)}
        self._text = {name: Operand(Place.DIGEST, row) for row, name in enumerate(layout.texts)}

    def number_row(self, name: str) -> int:
        """The row of a name among the frame's numbers."""
        return self._number_of(name).number

    def quantity(self, node: nodes.Quantity) -> Operand:
        """The numbers of a quantity. Raises `TypeError` for a node of an unknown kind."""
        match node:
            case nodes.Constant(value):
                return self.lines.constant(value)
            case nodes.MajorUnits(value):
                return self.lines.add(MINOR_UNITS, self.lines.constant(value))
            case nodes.QuantityColumn(name):
                return self._number_of(name)
            case nodes.Arithmetic(operation, left, right):
                return self.lines.add(_ARITHMETIC[operation], self.quantity(left), self.quantity(right))
            case nodes.Quotient(left, right):
                return self.lines.add(QUOTIENT, self.quantity(left), self.quantity(right))
            case nodes.RoundedDown(left, step):
                return self.lines.add(ROUND_DOWN, self.quantity(left), self.quantity(step))
            case nodes.Surprisal(bits, left, right):
                return self.lines.add(_SURPRISALS[bits], self.quantity(left), self.quantity(right))
            case nodes.Magnitude(part):
                return self.lines.add(ABSOLUTE, self.quantity(part))
            case nodes.Negative(part):
                return self.lines.add(NEGATIVE, self.quantity(part))
        raise TypeError(f"{type(node).__name__} can't be compiled: add it to engine/program/compiler.py.")

    def condition(self, node: nodes.Condition, wanted: bool) -> Operand:
        """Where a condition is true; if not `wanted`, where it is false.

        A condition of an unknown kind, as those of `text_nodes` are, becomes an outside one.
        """
        known = self._conditions.get((id(node), wanted))
        if known is None:
            known = self._conditions[id(node), wanted] = node, self._condition(node, wanted)
        return known[1]

    def always(self, holds: bool) -> Operand:
        """A truth that is the same for all payments."""
        return self.lines.add(ALWAYS, argument=int(holds))

    # --- conditions

    def _condition(self, node: nodes.Condition, wanted: bool) -> Operand:
        match node:
            case condition_nodes.Known(value):
                return self.always(value is wanted)
            case condition_nodes.BoolColumn(name):
                return self.lines.add(EQUAL, self._number_of(name), self.lines.constant(1.0 if wanted else 0.0))
            case condition_nodes.QuantityComparison(when_true, when_false, left, right):
                return self._comparison(when_true if wanted else when_false, left, right)
            case condition_nodes.OneOf():
                return self._is_one_of(node) if wanted else self._is_none_of(node)
            case condition_nodes.OnList(left, list_column):
                return self._on_list(left, list_column, wanted)
            case condition_nodes.Agreement(left, right):
                same = self._both(left, right, True, wanted)
                return self.lines.add(OR, same, self._both(left, right, False, not wanted))
            case condition_nodes.Not(part):
                return self.condition(part, not wanted)
            case condition_nodes.All(parts):
                return self._chain(AND if wanted else OR, parts, wanted)
            case condition_nodes.AnyOf(parts):
                return self._chain(OR if wanted else AND, parts, wanted)
            case condition_nodes.QuantityMissing(part):
                number = self.quantity(part)
                present = self.lines.add(EQUAL, number, number)  # NaN alone is not equal to itself
                return self.lines.add(NOT, present) if wanted else present
            case condition_nodes.TextMissing(part):
                held = self._has_text(part)
                return self.lines.add(NOT, held) if wanted else held
            case condition_nodes.ConditionMissing(part):
                known = self.lines.add(OR, self.condition(part, True), self.condition(part, False))
                return self.lines.add(NOT, known) if wanted else known
        return self._outside(OutsideCondition(node, wanted))

    def _comparison(self, compared: nodes.Operation, left: nodes.Quantity, right: nodes.Quantity) -> Operand:
        operation, changes_sides = _COMPARISONS[compared]
        first, second = self.quantity(left), self.quantity(right)
        return self.lines.add(operation, second, first) if changes_sides else self.lines.add(operation, first, second)

    def _chain(self, operation: int, parts: tuple[nodes.Condition, ...], wanted: bool) -> Operand:
        result = self.condition(parts[0], wanted)
        for part in parts[1:]:
            result = self.lines.add(operation, result, self.condition(part, wanted))
        return result

    def _both(self, left: nodes.Condition, right: nodes.Condition, of_left: bool, of_right: bool) -> Operand:
        return self.lines.add(AND, self.condition(left, of_left), self.condition(right, of_right))

    def _on_list(self, left: nodes.Digested, list_column: str, wanted: bool) -> Operand:
        until_ms, absent = self._number_of(list_column), self.lines.constant(0.0)
        if wanted:
            return self.lines.add(LESS, absent, until_ms)
        return self.lines.add(AND, self.lines.add(EQUAL, until_ms, absent), self._has_text(left))

    def _outside(self, condition: OutsideCondition) -> Operand:
        if condition not in self.outside:
            self.outside.append(condition)
        return self.lines.add(OUTSIDE, Operand(Place.OUTSIDE, self.outside.index(condition)))

    # --- text

    def _is_one_of(self, node: condition_nodes.OneOf) -> Operand:
        if isinstance(node.left, nodes.TextColumn) and _are_literals(node.choices):
            return self._equals_any(node.left, [self._digest(choice) for choice in node.choices])
        found = self._equal(node.left, node.choices[0])
        for choice in node.choices[1:]:
            found = self.lines.add(OR, found, self._equal(node.left, choice))
        return found if _are_literals(node.choices) else self.lines.add(AND, found, self._has_text(node.left))

    def _is_none_of(self, node: condition_nodes.OneOf) -> Operand:
        if isinstance(node.left, nodes.TextColumn) and _are_literals(node.choices):
            return self.lines.add(AND_NOT, self._has_text(node.left), self._is_one_of(node))
        absent = self._has_text(node.left)
        for choice in node.choices:
            absent = self.lines.add(AND_NOT, absent, self._equal(node.left, choice))
            if not _are_literals(node.choices):
                absent = self.lines.add(AND, absent, self._has_text(choice))
        return absent

    def _equal(self, left: nodes.Digested, right: nodes.Digested) -> Operand:
        """Where two texts are equal or both missing."""
        if isinstance(left, nodes.TextLiteral):
            left, right = right, left
        if isinstance(left, nodes.TextLiteral):
            return self.always(self._digest(left) == self._digest(right))
        if isinstance(right, nodes.TextLiteral):
            return self._equals_any(left, [self._digest(right)])
        return self.lines.add(SAME_TEXT, self._row_of(left), self._row_of(right))

    def _equals_any(self, text: nodes.Digested, digests: list[int]) -> Operand:
        return self.lines.add(ONE_OF, self._row_of(text), self.lines.words(digests), len(digests))

    def _has_text(self, text: nodes.Digested) -> Operand:
        if isinstance(text, nodes.TextLiteral):
            return self.always(self._digest(text) != 0)
        return self.lines.add(HAS_TEXT, self._row_of(text))

    def _digest(self, text: nodes.Digested) -> int:
        assert isinstance(text, nodes.TextLiteral), f"{text} is no literal"
        return digest_text(text.text, self._key)

    def _row_of(self, text: nodes.Digested) -> Operand:
        assert isinstance(text, nodes.TextColumn), f"{text} is no column"
        assert text.name in self._text, f"the frame has no row of digests for '{text.name}'"
        return self._text[text.name]

    def _number_of(self, name: str) -> Operand:
        assert name in self._number, f"the frame has no row of numbers for '{name}'"
        return self._number[name]


def _are_literals(choices: tuple[nodes.Digested, ...]) -> bool:
    return all(isinstance(choice, nodes.TextLiteral) for choice in choices)
