"""Syntax to typed nodes: names are known, units agree, and every comparison holds for some payment.

Here: conditions, and the comparisons in them. `quantities` types the other parts, `units` compares their units,
`possibility` refuses what is never true, `context` knows the names and raises errors.
"""

from __future__ import annotations

from fraudstream.engine.expression.condition_nodes import (
    QUANTITY_COMPARISONS,
    Agreement,
    All,
    AnyOf,
    BoolColumn,
    ConditionMissing,
    Known,
    Not,
    QuantityComparison,
    QuantityMissing,
    TextMissing,
)
from fraudstream.engine.expression.context import Context
from fraudstream.engine.expression.domains import Domains
from fraudstream.engine.expression.fault import ExpressionError
from fraudstream.engine.expression.functions import TEXT_TESTS
from fraudstream.engine.expression.nodes import Condition, TextLiteral
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.possibility import Possibility, opposite
from fraudstream.engine.expression.quantities import Quantities
from fraudstream.engine.expression.text_conditions import Checked, TextConditions
from fraudstream.engine.expression.text_nodes import digested
from fraudstream.engine.expression.typed import Leaf, Typed
from fraudstream.engine.expression.types import Origin, Symbols, Type, ValueLists
from fraudstream.engine.expression.units import alike, as_money

_CONDITIONS = frozenset(
    {"and", "or", "not", "bool", "in", "not in", "in_network", "not in_network", "is missing", "is present"}
)


class Checker:
    """Checks one expression. `leaves`: its comparisons in the order of the text, once it is checked.

    `lists`: the lists that it may read; None if it may read none. `domains`: the values that names can have;
    None: comparisons that no payment meets are left as they are.
    """

    def __init__(
        self, source: str, symbols: Symbols, lists: ValueLists | None, origin: Origin, domains: Domains | None
    ) -> None:
        self.leaves: list[Leaf] = []
        self._context = Context(source, symbols, origin)
        self._possibility = Possibility(self._context, domains)
        self._quantities = Quantities(self._context, self._any)
        self._text_conditions = TextConditions(self._context, self._possibility, self._any, lists)

    @property
    def names(self) -> set[str]:
        """The symbols that the expression reads, once it is checked."""
        return self._context.names

    def check(self, tree: Syntax, expected: tuple[Type, ...]) -> Typed:
        """The whole expression, which must be of one of the types `expected`. Raises `ExpressionError`."""
        typed = self._checked(tree, expected)
        if self._context.noted:
            raise ExpressionError(*self._context.noted)
        return typed

    def _checked(self, tree: Syntax, expected: tuple[Type, ...]) -> Typed:
        if expected == (Type.BOOL,) or self._is_condition(tree):
            typed = self._typed_condition(tree, negated=False)
            self._possibility.check_conjunctions(tree, self.leaves)
        else:
            typed = self._quantities.typed(tree)
            if Type.MONEY in expected and Type.NUMBER not in expected:
                typed = as_money(typed)
        if typed.type not in expected:
            due = " or ".join(found.value for found in expected)
            self._context.fail(tree, f"{self._context.described(typed)}, but {due} is expected here.")
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
                return self._on_text(syntax, self._text_conditions.membership(syntax), negated)
            case "in_network" | "not in_network":
                return self._on_text(syntax, self._text_conditions.in_network(syntax), negated)
            case "call" if syntax.text in TEXT_TESTS:
                return self._on_text(syntax, self._text_conditions.test(syntax), negated)
            case "is missing" | "is present":
                return self._absence(syntax, negated)
            case what if what in QUANTITY_COMPARISONS:
                return self._comparison(syntax, negated)
            case "bool":
                return Known(syntax.text == "true")
            case _:
                return self._bool_name(syntax, negated)

    def _bool_name(self, syntax: Syntax, negated: bool) -> Condition:
        if syntax.what != "name" or self._context.type_of(syntax) is not Type.BOOL:
            typed = self._quantities.typed(syntax)
            described = self._context.described(typed)
            self._context.fail(syntax, f"{described}, where true or false is expected: compare it with something.")
        condition: Condition = BoolColumn(syntax.text)
        holds = Not(condition) if negated else condition
        typed = Typed(Type.BOOL, syntax, condition=condition)
        self.leaves.append(Leaf(syntax, typed, "is", None, "false" if negated else "true", holds))
        return condition

    def _comparison(self, syntax: Syntax, negated: bool) -> Condition:
        left, right = (self._any(part) for part in syntax.parts)
        condition: Condition
        texts: tuple[str, ...] = ()
        if left.condition is not None and right.condition is not None:
            if syntax.what not in ("==", "!="):
                self._context.fail(syntax, f"'{syntax.what}' has no meaning for true and false.")
            condition = Agreement(left.condition, right.condition)
            condition = condition if syntax.what == "==" else Not(condition)
        elif left.words is not None and right.words is not None:
            condition = self._text_conditions.equality(syntax, left, right)
            if isinstance(left.words, TextLiteral):
                left, right = right, left
            if isinstance(right.words, TextLiteral):
                texts = (right.words.text,)
        else:
            left, right = alike(self._context, left, right, syntax, "compared")
            self._possibility.check_quantities(left, syntax.what, right, syntax, negated=negated)
            when_true, when_false = QUANTITY_COMPARISONS[syntax.what]
            condition = QuantityComparison(when_true, when_false, left.as_quantity, right.as_quantity)
        right_text = self._context.text(right.syntax)
        self._leaf(syntax, left, right, right_text, condition, negated=negated, texts=texts)
        return condition

    def _on_text(self, syntax: Syntax, checked: Checked, negated: bool) -> Condition:
        """A condition on text, which becomes a leaf."""
        condition, left, right_text, listed, texts = checked
        self._leaf(syntax, left, None, right_text, condition, negated=negated, listed=listed, texts=texts)
        return condition

    def _absence(self, syntax: Syntax, negated: bool) -> Condition:
        part = self._any(syntax.parts[0])
        condition: Condition
        if part.quantity is not None:
            condition = QuantityMissing(part.quantity)
        elif part.words is not None:
            condition = TextMissing(digested(part.words))
        else:
            assert part.condition is not None
            condition = ConditionMissing(part.condition)
        condition = condition if syntax.what == "is missing" else Not(condition)
        self._leaf(syntax, part, None, "", condition, negated=negated)
        return condition

    def _leaf(
        self,
        syntax: Syntax,
        left: Typed,
        right: Typed | None,
        right_text: str,
        condition: Condition,
        *,
        negated: bool,
        listed: str | None = None,
        texts: tuple[str, ...] = (),
    ) -> None:
        asked = syntax.text if syntax.what == "call" else syntax.what
        what = opposite(asked) if negated else asked
        holds = Not(condition) if negated else condition
        self.leaves.append(Leaf(syntax, left, what, right, right_text, holds, listed, texts))

    # --- quantities and text

    def _any(self, syntax: Syntax) -> Typed:
        """A part of any type. Comparisons inside it are not leaves: the comparison around it is one."""
        known = len(self.leaves)
        if self._is_condition(syntax):
            typed = self._typed_condition(syntax, negated=False)
        else:
            typed = self._quantities.typed(syntax)
        del self.leaves[known:]
        return typed

    def _is_condition(self, syntax: Syntax) -> bool:
        if syntax.what == "name":
            return self._context.type_of(syntax) is Type.BOOL
        if syntax.what == "call":
            return syntax.text in TEXT_TESTS
        return syntax.what in _CONDITIONS or syntax.what in QUANTITY_COMPARISONS
