"""Syntax to typed nodes: names are known, units agree, and every comparison holds for some payment.

Here: conditions, and the comparisons in them. `quantities` types the other parts, `units` compares their units,
`possibility` refuses what is never true, `context` knows the names and raises errors.
"""

from __future__ import annotations

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.context import Context
from fraudstream.engine.expression.domains import Domains
from fraudstream.engine.expression.fault import ExpressionError
from fraudstream.engine.expression.nodes import (
    QUANTITY_COMPARISONS,
    Agreement,
    All,
    AnyOf,
    BoolColumn,
    Condition,
    ConditionMissing,
    Known,
    Not,
    OneOf,
    OnList,
    QuantityComparison,
    QuantityMissing,
    TextColumn,
    TextLiteral,
    TextMissing,
)
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.possibility import OPPOSITE, Possibility
from fraudstream.engine.expression.quantities import Quantities
from fraudstream.engine.expression.typed import Leaf, Typed
from fraudstream.engine.expression.types import Origin, Symbols, Type, ValueLists
from fraudstream.engine.expression.units import alike, as_money

_CONDITIONS = frozenset({"and", "or", "not", "bool", "in", "not in", "is missing", "is present"})


class Checker:
    """Checks one expression. `leaves`: its comparisons in the order of the text, once it is checked.

    `lists`: the lists that it may read; None if it may read none. `domains`: the values that names can have.
    """

    def __init__(
        self, source: str, symbols: Symbols, lists: ValueLists | None, origin: Origin, domains: Domains
    ) -> None:
        self.leaves: list[Leaf] = []
        self._context = Context(source, symbols, origin)
        self._possibility = Possibility(self._context, domains)
        self._quantities = Quantities(self._context, self._any)
        self._lists = lists

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
            if syntax.what not in ("==", "!="):
                self._context.fail(syntax, f"'{syntax.what}' has no meaning for text: only '==', '!=' and 'in' do.")
            self._possibility.check_words(left, right)
            if isinstance(left.words, TextLiteral):
                left, right = right, left
            if isinstance(right.words, TextLiteral):
                texts = (right.words.text,)
            condition = OneOf(left.as_words, (right.as_words,))
            condition = condition if syntax.what == "==" else Not(condition)
        else:
            left, right = alike(self._context, left, right, syntax, "compared")
            self._possibility.check_quantities(left, syntax.what, right, syntax, negated=negated)
            when_true, when_false = QUANTITY_COMPARISONS[syntax.what]
            condition = QuantityComparison(when_true, when_false, left.as_quantity, right.as_quantity)
        right_text = self._context.text(right.syntax)
        self._leaf(syntax, left, right, right_text, condition, negated=negated, texts=texts)
        return condition

    def _membership(self, syntax: Syntax, negated: bool) -> Condition:
        left = self._any(syntax.parts[0])
        if left.words is None:
            described = self._context.described(left)
            self._context.fail(syntax.parts[0], f"{described}: only text can be looked for in a list.")
        if syntax.parts[1].what == "list":
            return self._listed(syntax, left, negated)
        choices = []
        for part in syntax.parts[1:]:
            choice = self._any(part)
            self._possibility.check_words(left, choice)
            choices.append(choice.as_words)
        condition: Condition = OneOf(left.words, tuple(choices))
        condition = condition if syntax.what == "in" else Not(condition)
        text = f"({', '.join(self._context.text(part) for part in syntax.parts[1:])})"
        texts = tuple(part.text for part in syntax.parts[1:])
        self._leaf(syntax, left, None, text, condition, negated=negated, texts=texts)
        return condition

    def _listed(self, syntax: Syntax, left: Typed, negated: bool) -> Condition:
        """Membership of a list that lists.yaml declares."""
        context, at = self._context, syntax.parts[1]
        prefix, _, name = at.text.partition(".")
        if prefix != "lists":
            context.fail(
                at, f'no list \'{at.text}\': write lists.NAME, or text in parentheses, such as ("app", "web").'
            )
        if self._lists is None:
            context.fail(at, "only rules and the score may read lists: state must not depend on them.")
        if name not in self._lists:
            known = [f"lists.{known}" for known in self._lists]
            context.fail(at, f"no list '{at.text}': declare it in lists.yaml.{nearest(at.text, known)}")
        of = self._lists[name].of
        if not isinstance(left.words, TextColumn) or left.words.name != of:
            context.fail(syntax.parts[0], f"{at.text} holds values of {of}: write '{of} {syntax.what} {at.text}'.")
        condition: Condition = OnList(left.words, at.text)
        condition = condition if syntax.what == "in" else Not(condition)
        self._leaf(syntax, left, None, at.text, condition, negated=negated, listed=name)
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
        what = OPPOSITE[syntax.what] if negated else syntax.what
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
        return syntax.what in _CONDITIONS or syntax.what in QUANTITY_COMPARISONS
