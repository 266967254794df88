"""Tokens to a syntax tree, by recursive descent. Depth and nodes are bounded: no text exhausts the stack or memory.

    condition  = all { "or" all }
    all        = negation { "and" negation }
    negation   = "not" negation | comparison
    comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum
                     | [ "not" ] "in" ( "(" text { "," text } ")" | "lists." name )
                     | [ "not" ] "in_network" ( text | "(" text { "," text } ")" | "lists." name )
                     | "is" ( "missing" | "present" ) ]
    sum        = product { ("+" | "-") product }
    product    = operand { ("*" | "/") operand }
    operand    = "-" operand | number | duration | text | "true" | "false"
               | name | function "(" condition { "," condition } ")" | "(" condition ")"

A dotted name is one name, looked up in a table: there is no attribute access. Only the listed functions can be called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.fault import ExpressionError, fault_at
from fraudstream.engine.expression.functions import FUNCTIONS, TEXT_TESTS
from fraudstream.engine.expression.lexer import Kind, Token, tokens_of
from fraudstream.engine.expression.types import Origin

DEPTH_MAX = 24
NODES_MAX = 250

_MEMBERSHIPS = ("in", "in_network")
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Syntax:
    """`what`: number, duration, text, bool, name, call, negative, or an operator. `start`, `end`: in the source."""

    what: str
    text: str
    start: int
    end: int
    parts: tuple[Syntax, ...] = ()
    value: float = 0.0
    depth: int = 1

    def starting_at(self, start: int) -> Syntax:
        """The same part with another beginning, to point at a place in it."""
        return replace(self, start=start)


def parse(source: str, origin: Origin) -> Syntax:
    """The syntax tree of a whole expression. Raises `ExpressionError`."""
    parser = _Parser(source, origin)
    tree = parser.condition()
    parser.finish()
    return tree


class _Parser:
    def __init__(self, source: str, origin: Origin) -> None:
        self._source = source
        self._origin = origin
        self._tokens = tokens_of(source, origin)
        self._at = 0
        self._depth = 0
        self._nodes = 0

    # --- the grammar, from the top

    def condition(self) -> Syntax:
        return self._chain("or", self._all)

    def _all(self) -> Syntax:
        return self._chain("and", self._negation)

    def _negation(self) -> Syntax:
        token = self._next
        if not self._take_word("not"):
            return self._comparison()
        self._enter()
        part = self._negation()
        self._leave()
        return self._node("not", "not", token.start, part.end, (part,))

    def _comparison(self) -> Syntax:
        left = self._sum()
        token = self._next
        if token.kind is Kind.OPERATOR and token.text in _COMPARISONS:
            self._at += 1
            right = self._sum()
            if self._next.kind is Kind.OPERATOR and self._next.text in _COMPARISONS:
                self._fail(self._next, "comparisons can't be chained: write 'a < b and b < c'.")
            return self._node(token.text, token.text, left.start, right.end, (left, right))
        if self._take_word("is"):
            word = self._next
            if not (self._take_word("missing") or self._take_word("present")):
                self._fail(word, "'is' must be followed by 'missing' or 'present'; to compare, write '=='.")
            return self._node(f"is {word.text}", word.text, left.start, word.end, (left,))
        if self._take_word("not"):
            for membership in _MEMBERSHIPS:
                if self._take_word(membership):
                    return self._membership(left, f"not {membership}")
            self._fail(self._next, "'not' must be followed by 'in' or 'in_network' here.")
        for membership in _MEMBERSHIPS:
            if self._take_word(membership):
                return self._membership(left, membership)
        return left

    def _membership(self, left: Syntax, what: str) -> Syntax:
        name = self._next
        if name.kind is Kind.NAME:
            self._at += 1
            listed = self._node("list", name.text, name.start, name.end)
            return self._node(what, what, left.start, name.end, (left, listed))
        sentence = f'\'{what}\' is followed by a list, such as ("app", "web") or lists.stolen_devices.'
        if name.kind is Kind.TEXT and "/" in name.text:
            sentence += " For a network write 'in_network'."
        if what.endswith("in_network"):
            if name.kind is Kind.TEXT:
                self._at += 1
                network = self._node("text", name.text, name.start, name.end)
                return self._node(what, what, left.start, name.end, (left, network))
            sentence = f"'{what}' is followed by a network, such as \"10.0.0.0/8\", several in parentheses, or a list."
        self._expect("(", sentence)
        parts = [left]
        while True:
            token = self._next
            if token.kind is not Kind.TEXT:
                self._fail(token, f'a list holds text in quotes, such as "app"; found {_shown(token)}.')
            self._at += 1
            parts.append(self._node("text", token.text, token.start, token.end))
            if not self._take_operator(","):
                break
        end = self._expect(")", f"expected ')' or ',', found {_shown(self._next)}.")
        return self._node(what, what, left.start, end.end, tuple(parts))

    def _sum(self) -> Syntax:
        left = self._product()
        while (token := self._next).kind is Kind.OPERATOR and token.text in "+-":
            self._at += 1
            right = self._product()
            left = self._node(token.text, token.text, left.start, right.end, (left, right))
        return left

    def _product(self) -> Syntax:
        left = self._operand()
        while (token := self._next).kind is Kind.OPERATOR and token.text in "*/":
            self._at += 1
            right = self._operand()
            left = self._node(token.text, token.text, left.start, right.end, (left, right))
        return left

    def _operand(self) -> Syntax:
        token = self._next
        self._at += 1
        if token.kind is Kind.NUMBER:
            return self._node("number", token.text, token.start, token.end, value=token.value)
        if token.kind is Kind.DURATION:
            return self._node("duration", token.text, token.start, token.end, value=token.value)
        if token.kind is Kind.TEXT:
            return self._node("text", token.text, token.start, token.end)
        if token.kind is Kind.WORD and token.text in ("true", "false"):
            return self._node("bool", token.text, token.start, token.end)
        if token.kind is Kind.NAME:
            if self._next.kind is Kind.OPERATOR and self._next.text == "(":
                return self._call(token)
            return self._node("name", token.text, token.start, token.end)
        if token.kind is Kind.OPERATOR and token.text == "-":
            self._enter()
            part = self._operand()
            self._leave()
            return self._node("negative", "-", token.start, part.end, (part,))
        if token.kind is Kind.OPERATOR and token.text == "(":
            self._enter()
            inner = self.condition()
            self._leave()
            close = self._expect(")", f"expected ')', found {_shown(self._next)}.")
            # The same node, stretched over its parentheses: evidence shows them as written.
            return Syntax(inner.what, inner.text, token.start, close.end, inner.parts, inner.value, inner.depth)
        raise ExpressionError(
            fault_at(self._source, token.start, self._origin, f"expected a value here, found {_shown(token)}.")
        )

    def _call(self, name: Token) -> Syntax:
        if name.text not in FUNCTIONS:
            self._fail(
                name, f"no function '{name.text}'; there are {', '.join(FUNCTIONS)}.{nearest(name.text, FUNCTIONS)}"
            )
        self._at += 1
        self._enter()
        parts: list[Syntax] = [self.condition()]
        while self._take_operator(","):
            parts.append(self.condition())
        self._leave()
        end = self._expect(")", f"expected ')' or ',', found {_shown(self._next)}.")
        _, _, least, most, _ = FUNCTIONS[name.text]
        if not least <= len(parts) <= most:
            due = str(least) if least == most else f"{least} to {most}"
            self._fail(name, f"{name.text}() takes {due} values, found {len(parts)}.")
        return self._node("call", name.text, name.start, end.end, tuple(parts))

    def finish(self) -> None:
        if self._next.kind is not Kind.END:
            word = self._next.text.lower()
            hint = f" Write '{word}'." if word in ("and", "or", "in", "is") else ""
            if word in TEXT_TESTS:
                hint = f' Write {word}(x, "…").'
            sentence = f"the expression should end here or continue with an operator; found {_shown(self._next)}.{hint}"
            self._fail(self._next, sentence)

    # --- the tools

    def _chain(self, word: str, part: Callable[[], Syntax]) -> Syntax:
        parts = [part()]
        while self._take_word(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        return self._node(word, word, parts[0].start, parts[-1].end, tuple(parts))

    @property
    def _next(self) -> Token:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _take_word(self, word: str) -> bool:
        taken = self._next.kind is Kind.WORD and self._next.text == word
        self._at += taken
        return taken

    def _take_operator(self, operator: str) -> bool:
        taken = self._next.kind is Kind.OPERATOR and self._next.text == operator
        self._at += taken
        return taken

    def _expect(self, operator: str, sentence: str) -> Token:
        token = self._next
        if not self._take_operator(operator):
            self._fail(token, sentence)
        return token

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self._fail(self._next, f"nested deeper than {DEPTH_MAX} levels: split it into features or rules.")

    def _leave(self) -> None:
        self._depth -= 1

    def _node(
        self, what: str, text: str, start: int, end: int, parts: tuple[Syntax, ...] = (), *, value: float = 0.0
    ) -> Syntax:
        self._nodes += 1
        depth = 1 + max((part.depth for part in parts), default=0)
        if self._nodes > NODES_MAX or depth > 2 * DEPTH_MAX:
            sentence = (
                f"too large: at most {NODES_MAX} parts, nested {DEPTH_MAX} deep. Split it into features or rules."
            )
            raise ExpressionError(fault_at(self._source, start, self._origin, sentence))
        return Syntax(what, text, start, end, parts, value, depth)

    def _fail(self, token: Token, sentence: str) -> NoReturn:
        raise ExpressionError(fault_at(self._source, token.start, self._origin, sentence))


def _shown(token: Token) -> str:
    return "the end" if token.kind is Kind.END else f"'{token.text}'"
