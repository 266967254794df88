"""Types the conditions on text: equality, membership of literals, lists and networks, and tests of what is in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.condition_nodes import Not, OneOf, OnList
from fraudstream.engine.expression.context import Context
from fraudstream.engine.expression.functions import PATTERN_CHARS_MAX
from fraudstream.engine.expression.nodes import Condition, TextColumn, TextLiteral
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.possibility import Possibility
from fraudstream.engine.expression.text_nodes import (
    Contains,
    EndsWith,
    InNetworks,
    Matches,
    OnNetworkList,
    SameText,
    StartsWith,
    TextPredicate,
    TextTest,
)
from fraudstream.engine.expression.typed import Typed
from fraudstream.engine.expression.types import ValueList, ValueLists
from fraudstream.engine.networks import Network, NetworkTable, parse_network

_FOR_EVER = 1 << 62


class Checked(NamedTuple):
    """A condition on `left`, and what its evidence shows: as `typed.Leaf`."""

    condition: Condition
    left: Typed
    right_text: str
    listed: str | None = None
    texts: tuple[str, ...] = ()


class TextConditions:
    """Types conditions on text. `any_part`: types a part of any type. `lists`: those it may read; None if it may read
    none. Raises `ExpressionError`."""

    def __init__(
        self,
        context: Context,
        possibility: Possibility,
        any_part: Callable[[Syntax], Typed],
        lists: ValueLists | None,
    ) -> None:
        self._context, self._possibility, self._any_part, self._lists = context, possibility, any_part, lists

    def equality(self, syntax: Syntax, left: Typed, right: Typed) -> Condition:
        """`==` and `!=` between two texts."""
        if syntax.what not in ("==", "!="):
            sentence = f"'{syntax.what}' has no meaning for text: only '==', '!=' and 'in' do."
            self._context.fail(syntax, sentence)
        self._possibility.check_words(left, right)
        condition = _one_of(left, [right])
        return condition if syntax.what == "==" else Not(condition)

    def membership(self, syntax: Syntax) -> Checked:
        """`in` and `not in`, of literals or of a list."""
        left = self._text(syntax.parts[0], "only text can be looked for in a list")
        if syntax.parts[1].what == "list":
            return self._listed(syntax, left)
        choices = [self._any_part(part) for part in syntax.parts[1:]]
        for choice in choices:
            self._possibility.check_words(left, choice)
        condition = _one_of(left, choices)
        condition = condition if syntax.what == "in" else Not(condition)
        return Checked(condition, left, self._in_parentheses(syntax), texts=tuple(c.syntax.text for c in choices))

    def in_network(self, syntax: Syntax) -> Checked:
        """`in_network` and `not in_network`, of literals or of a list."""
        left = self._text(syntax.parts[0], "only the text of an address can be in a network")
        if syntax.parts[1].what == "list":
            return self._listed(syntax, left)
        self._possibility.check_address(left)
        networks: dict[Network, int] = {}
        for part in syntax.parts[1:]:
            try:
                networks[parse_network(part.text)] = _FOR_EVER
            except ValueError as error:
                self._context.note(part, str(error))
        condition: Condition = InNetworks(left.as_words, NetworkTable(networks))
        condition = condition if syntax.what == "in_network" else Not(condition)
        one = len(syntax.parts) == 2 and self._context.text(syntax.parts[1])
        return Checked(condition, left, one or self._in_parentheses(syntax))

    def test(self, syntax: Syntax) -> Checked:
        """`starts_with`, `ends_with`, `contains` and `matches`."""
        subject, literal = syntax.parts
        left = self._text(subject, f"{syntax.text}() looks into text")
        if literal.what != "text":
            self._context.fail(literal, f'{syntax.text}() takes text in quotes here, such as "abc".')
        test = self._predicate(syntax.text, literal)
        if test is not None:
            self._possibility.check_test(left, test, literal, syntax)
        return Checked(TextTest(left.as_words, test or Contains("")), left, self._context.text(literal))

    def _predicate(self, name: str, literal: Syntax) -> TextPredicate | None:
        """The test of that name; None where its pattern has a fault, which is noted."""
        match name:
            case "starts_with":
                return StartsWith(literal.text)
            case "ends_with":
                return EndsWith(literal.text)
            case "contains":
                return Contains(literal.text)
        if len(literal.text) > PATTERN_CHARS_MAX:
            self._context.note(
                literal, f"a pattern has at most {PATTERN_CHARS_MAX} characters, this one {len(literal.text)}."
            )
            return None
        test = Matches(literal.text)
        try:
            test.holds(["a"])
        except ValueError as error:
            self._note_pattern(literal, str(error))
            return None
        return test

    def _note_pattern(self, literal: Syntax, error: str) -> None:
        """Note RE2's error at the part of the pattern that it names."""
        what, _, fragment = error.removeprefix("Invalid regular expression: ").partition(": ")
        at = literal.text.find(fragment) if fragment else -1
        start = literal.start + 1 + max(0, at)
        shown = f": '{fragment}'" if fragment else ""
        self._context.note(
            literal.starting_at(start),
            f"not a regular expression of RE2, {what}{shown}. See github.com/google/re2/wiki/Syntax.",
        )

    def _listed(self, syntax: Syntax, left: Typed) -> Checked:
        """Membership of a list that lists.yaml declares."""
        at = syntax.parts[1]
        name, declared = self._declared(at)
        word = syntax.what.removeprefix("not ")
        due = "in_network" if declared.holds_networks else "in"
        operator = f"not {due}" if syntax.what.startswith("not ") else due
        if word != due or not isinstance(left.words, TextColumn) or left.words.name != declared.field:
            holds = "networks" if declared.holds_networks else f"values of {declared.of}"
            self._context.fail(
                syntax.parts[0], f"{at.text} holds {holds}: write '{declared.field} {operator} {at.text}'."
            )
        condition: Condition
        condition = OnNetworkList(left.words, at.text) if declared.holds_networks else OnList(left.words, at.text)
        condition = Not(condition) if syntax.what.startswith("not ") else condition
        return Checked(condition, left, at.text, listed=name)

    def _declared(self, at: Syntax) -> tuple[str, ValueList]:
        """The list that a name refers to, and its short name."""
        prefix, _, name = at.text.partition(".")
        if prefix != "lists":
            self._context.fail(
                at, f'no list \'{at.text}\': write lists.NAME, or text in parentheses, such as ("app", "web").'
            )
        if self._lists is None:
            self._context.fail(at, "only rules and the score may read lists: state must not depend on them.")
        if name not in self._lists:
            known = [f"lists.{known}" for known in self._lists]
            self._context.fail(at, f"no list '{at.text}': declare it in lists.yaml.{nearest(at.text, known)}")
        return name, self._lists[name]

    def _text(self, syntax: Syntax, why: str) -> Typed:
        """A part that must be text. `why`: ends the error."""
        typed = self._any_part(syntax)
        if typed.words is None:
            self._context.fail(syntax, f"{self._context.described(typed)}: {why}.")
        return typed

    def _in_parentheses(self, syntax: Syntax) -> str:
        return f"({', '.join(self._context.text(part) for part in syntax.parts[1:])})"


def _one_of(left: Typed, choices: Sequence[Typed]) -> Condition:
    """The text is one of some; a literal alone on the left changes sides."""
    if isinstance(left.words, TextLiteral) and len(choices) == 1:
        left, choices = choices[0], [left]
    digested = [typed.words for typed in (left, *choices) if isinstance(typed.words, TextColumn | TextLiteral)]
    if len(digested) == 1 + len(choices):
        return OneOf(digested[0], tuple(digested[1:]))
    return SameText(left.as_words, tuple(choice.as_words for choice in choices))
