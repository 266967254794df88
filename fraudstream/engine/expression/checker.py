"""Syntax to typed nodes: names are known, units agree, and words of a code list are spelt right.

Here: conditions, and the comparisons in them. `quantities` types the other parts, `units` compares their units,
`context` knows the names and raises errors.
"""

from __future__ import annotations

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.context import Context
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
from fraudstream.engine.expression.quantities import Quantities
from fraudstream.engine.expression.typed import Leaf, Typed
from fraudstream.engine.expression.types import WORDS_OF, Origin, Symbols, Type, ValueLists
from fraudstream.engine.expression.units import alike, as_money

_CONDITIONS = frozenset({"and", "or", "not", "bool", "in", "not in", "is missing", "is present"})
_OPPOSITE = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
    "in": "not in", "not in": "in", "is missing": "is present", "is present": "is missing",
}  # fmt: skip


class Checker:
    """Checks one expression. `leaves`: its comparisons in the order of the text, once it is checked.

    `lists`: the lists that it may read; None if it may read none.
    """

    def __init__(self, source: str, symbols: Symbols, lists: ValueLists | None, origin: Origin) -> None:
        self.leaves: list[Leaf] = []
        self._context = Context(source, symbols, origin)
        self._quantities = Quantities(self._context, self._any)
        self._lists = lists

    @property
    def names(self) -> set[str]:
        """The symbols that the expression reads, once it is checked."""
        return self._context.names

    def check(self, tree: Syntax, expected: tuple[Type, ...]) -> Typed:
        """The whole expression, which must be of one of the types `expected`. Raises `ExpressionError`."""
        if expected == (Type.BOOL,) or self._is_condition(tree):
            typed = self._typed_condition(tree, negated=False)
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
        self.leaves.append(Leaf(typed, "is", None, "false" if negated else "true", holds))
        return condition

    def _comparison(self, syntax: Syntax, negated: bool) -> Condition:
        left, right = (self._any(part) for part in syntax.parts)
        condition: Condition
        if left.condition is not None and right.condition is not None:
            if syntax.what not in ("==", "!="):
                self._context.fail(syntax, f"'{syntax.what}' has no meaning for true and false.")
            condition = Agreement(left.condition, right.condition)
            condition = condition if syntax.what == "==" else Not(condition)
        elif left.words is not None and right.words is not None:
            if syntax.what not in ("==", "!="):
                self._context.fail(syntax, f"'{syntax.what}' has no meaning for text: only '==', '!=' and 'in' do.")
            self._check_word(left, right)
            self._check_word(right, left)
            if isinstance(left.words, TextLiteral):
                left, right = right, left
            condition = OneOf(left.as_words, (right.as_words,))
            condition = condition if syntax.what == "==" else Not(condition)
        else:
            left, right = alike(self._context, left, right, syntax, "compared")
            when_true, when_false = QUANTITY_COMPARISONS[syntax.what]
            condition = QuantityComparison(when_true, when_false, left.as_quantity, right.as_quantity)
        self._leaf(left, syntax.what, right, self._context.text(right.syntax), condition, negated=negated)
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
            self._check_word(left, choice)
            choices.append(choice.as_words)
        condition: Condition = OneOf(left.words, tuple(choices))
        condition = condition if syntax.what == "in" else Not(condition)
        text = f"({', '.join(self._context.text(part) for part in syntax.parts[1:])})"
        self._leaf(left, syntax.what, None, text, condition, negated=negated)
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
            self._context.fail(
                literal.syntax, f"{name} is never '{text}'; it is one of {', '.join(words)}.{nearest(text, words)}"
            )
        if name == "currency" and text not in EXPONENTS:
            self._context.fail(literal.syntax, f"'{text}' is not a currency of ISO 4217.{nearest(text, EXPONENTS)}")

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
