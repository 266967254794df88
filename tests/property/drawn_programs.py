"""Rule sets drawn as nodes, with all that the language refuses or folds, over frames of gaps and extreme values.

`slow_results` evaluates them with numpy, node by node: what a program must give to the bit.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

import numpy as np

from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.catalogue import Derived
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey, digest_column
from fraudstream.engine.expression import (
    Array,
    DistinctTexts,
    Expression,
    Type,
    Values,
    condition_nodes,
    distinct_texts,
    nodes,
)
from fraudstream.engine.expression.condition_nodes import QUANTITY_COMPARISONS
from fraudstream.engine.expression.nodes import Condition, Digested, Quantity, Words
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.text_nodes import (
    Contains,
    EndsWith,
    InNetworks,
    Lowered,
    OnNetworkList,
    SameText,
    StartsWith,
    TextTest,
)
from fraudstream.engine.expression.typed import Typed
from fraudstream.engine.frame import Frame, FrameLayout, new_frame
from fraudstream.engine.message import Message
from fraudstream.engine.networks import NetworkTable, parse_network
from fraudstream.engine.rules import Rule
from fraudstream.engine.score import Part

FLAGS = ("flag", "other")
LISTS = ("lists.watch", "lists.networks")
DERIVED = ("size", "is_large", "size_again", "is_odd")
QUANTITIES = ("x", "y", "amount", "since")
TEXTS = ("word", "word_2", "ip")
LAYOUT = FrameLayout((*QUANTITIES, *FLAGS, *LISTS, *DERIVED), TEXTS, ())

_NUMBERS = (np.nan, 0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 100.0, 1e17, -1e300, 1e300, 1.8e308, 5e-324, np.inf, -np.inf, 0.1)
_WORDS = (None, "a", "A", "b", "ab", "10.0.0.7", "192.168.1.1", "2001:db8::1")
_TABLE = NetworkTable({parse_network("10.0.0.0/8"): 1 << 62, parse_network("2001:db8::/32"): 1 << 62})
_ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv, np.minimum, np.maximum)
_LITERAL = Syntax("number", "drawn", 0, 5)


class DrawnFrame:
    """A frame, and the same columns for nodes; as `expression.ColumnSource`. `n`: its payments."""

    def __init__(self, frame: Frame, texts: dict[str, list[str | None]]) -> None:
        self.frame, self._texts, self.n = frame, texts, len(frame.minor_per_major)
        self._derived: dict[str, Array] = {}

    @property
    def minor_per_major(self) -> Values:
        return self.frame.minor_per_major

    @property
    def digest_key(self) -> DigestKey:
        return PUBLIC_KEY

    def column(self, name: str) -> Array:
        if name in self._derived:
            return self._derived[name]
        if name in TEXTS:
            digests: Array = self.frame.digest[TEXTS.index(name)]
            return digests
        numbers: Float64Array = self.frame.number[LAYOUT.numbers.index(name)]
        if name in FLAGS:
            return np.where(np.isnan(numbers), -1, numbers).astype(np.int8)
        return numbers.astype(np.int64) if name in LISTS else numbers

    def add(self, name: str, column: Array) -> None:
        self._derived[name] = column

    def distinct_texts(self, name: str) -> DistinctTexts:
        return distinct_texts(self._texts[name])


def drawn_frame(seed: int, n: int) -> DrawnFrame:
    """`n` payments of drawn values; the rows of derived features hold other values at first."""
    generator = np.random.default_rng(seed)
    frame = new_frame(LAYOUT, n)
    for row, name in enumerate(LAYOUT.numbers):
        values: Float64Array = generator.choice(_NUMBERS, n)
        if name == "amount":
            values = generator.choice((0.0, 1.0, 5e3, 1e4, 2.0**53), n)
        elif name in FLAGS:
            values = generator.choice((0.0, 1.0, np.nan), n)
        elif name in LISTS:
            values = generator.choice((0.0, 1.7e12, 2.0**62), n)
        frame.number[row] = values
    texts: dict[str, list[str | None]] = {}
    for row, name in enumerate(TEXTS):
        texts[name] = [_WORDS[k] for k in generator.integers(0, len(_WORDS), n)]
        frame.digest[row] = digest_column(texts[name], PUBLIC_KEY)
    frame.minor_per_major[:] = 10.0 ** generator.integers(0, 5, n)
    return DrawnFrame(frame, texts)


@dataclass(frozen=True, slots=True)
class DrawnRules:
    """What a verdict program is made of."""

    derived: tuple[Derived, ...]
    rules: tuple[Rule, ...]
    parts: tuple[Part, ...]


def drawn_rules(random: Random, rules: int, parts: int) -> DrawnRules:
    """Two derived features or none, `rules` rules and `parts` parts of a score, which may read those."""
    draw = _Draw(random)
    derived: list[Derived] = []
    if random.random() < 0.7:
        for number, flag in (DERIVED[:2], DERIVED[2:]):
            derived.append(Derived(number, Type.NUMBER, draw.number()))
            derived.append(Derived(flag, Type.BOOL, draw.truth()))
        draw.derived = True
    return DrawnRules(
        tuple(derived),
        tuple(rule(draw.truth()) for _ in range(rules)),
        tuple(draw.part(f"part_{k}") for k in range(parts)),
    )


def drawn_condition(random: Random) -> Expression:
    """One condition."""
    return _Draw(random).truth()


def expression(condition: Condition) -> Expression:
    """A condition as an expression."""
    return Expression("drawn", Type.BOOL, frozenset(), (), Typed(Type.BOOL, _LITERAL, condition=condition))


def number_expression(quantity: Quantity) -> Expression:
    """A quantity as an expression."""
    return Expression("drawn", Type.NUMBER, frozenset(), (), Typed(Type.NUMBER, _LITERAL, quantity=quantity))


def rule(when: Expression) -> Rule:
    """A rule with that condition."""
    return Rule("a/b", "", "", "live", "high", "review", (), (), when, Message("", {}), (), (), "a/b.yaml")


class SlowResults(NamedTuple):
    """`fired`: bool, shape (rules, n). `points`: int32, shape (parts, n). `derived`: float64, shape (derived, n)."""

    fired: Array
    points: Array
    derived: Float64Array


def slow_results(drawn: DrawnRules, columns: DrawnFrame) -> SlowResults:
    """Results by numpy, one node after another."""
    derived = np.empty((len(drawn.derived), columns.n))
    with np.errstate(all="ignore"):
        for row, feature in enumerate(drawn.derived):
            if feature.type is Type.BOOL:
                true, known = feature.expression.truth(columns)
                columns.add(feature.name, np.where(known, true, -1).astype(np.int8))
                derived[row] = np.where(known, true, np.nan)
            else:
                derived[row] = feature.expression.values(columns)
                columns.add(feature.name, derived[row])
        fired = [rule.when.true(columns) for rule in drawn.rules]
        points = [part.points(columns) for part in drawn.parts]
    return SlowResults(
        np.array(fired, np.bool_).reshape(len(fired), columns.n),
        np.array(points, np.int32).reshape(len(points), columns.n),
        derived,
    )


class _Draw:
    def __init__(self, random: Random) -> None:
        self.derived = False  # whether derived features may be read
        self._random = random

    def truth(self) -> Expression:
        return expression(self._condition(self._random.randint(0, 4)))

    def number(self) -> Expression:
        return number_expression(self._quantity(self._random.randint(0, 3)))

    def part(self, name: str) -> Part:
        choice, when = self._random.random(), self.truth() if self._random.random() < 0.5 else None
        points_max = self._random.choice((1, 2500, 9999))
        if choice < 0.3:
            return Part(name, points_max, self.truth(), None, None, None, when)
        kind: Callable[[np.float64], Quantity] = nodes.MajorUnits if choice < 0.6 else nodes.Constant
        bounds = [number_expression(kind(np.float64(self._random.choice((0.0, 0.001, 1.0, 100.0))))) for _ in range(2)]
        return Part(name, points_max, self.number(), None, bounds[0], bounds[1], when)

    def _quantity(self, depth: int) -> Quantity:
        pick = self._random.choice
        if depth == 0:
            names = QUANTITIES + (DERIVED[::2] if self.derived else ())
            return pick(
                (
                    nodes.QuantityColumn(pick(names)),
                    nodes.QuantityColumn(pick(names)),
                    nodes.Constant(np.float64(pick(_NUMBERS))),
                    nodes.MajorUnits(np.float64(pick((0.005, 0.5, 100.0, 12.345)))),
                )
            )
        first, second = self._quantity(depth - 1), self._quantity(self._random.randint(0, depth - 1))
        made: tuple[Quantity, ...] = (
            nodes.Arithmetic(pick(_ARITHMETIC), first, second),
            nodes.Arithmetic(pick(_ARITHMETIC), second, first),
            nodes.Quotient(first, second),
            nodes.RoundedDown(first, second),
            nodes.Surprisal(pick((nodes.RARITIES, nodes.BURSTS)), first, second),
            nodes.Magnitude(first),
            nodes.Negative(first),
        )
        return pick(made)

    def _condition(self, depth: int) -> Condition:
        pick = self._random.choice
        if depth == 0:
            return self._leaf()
        parts = tuple(self._condition(self._random.randint(0, depth - 1)) for _ in range(self._random.randint(1, 3)))
        made: tuple[Condition, ...] = (
            condition_nodes.All(parts),
            condition_nodes.AnyOf(parts),
            condition_nodes.Not(parts[0]),
            condition_nodes.Agreement(parts[0], parts[-1]),
            condition_nodes.ConditionMissing(parts[0]),
        )
        return pick(made)

    def _leaf(self) -> Condition:
        pick, depth = self._random.choice, self._random.randint(0, 2)
        flags = FLAGS + (DERIVED[1::2] if self.derived else ())
        choices: tuple[Digested, ...] = tuple(self._digested() for _ in range(self._random.randint(1, 3)))
        literals = tuple(nodes.TextLiteral(pick(("a", "b", "ab", ""))) for _ in range(self._random.randint(1, 3)))
        compared = QUANTITY_COMPARISONS[pick(tuple(QUANTITY_COMPARISONS))]
        comparison = condition_nodes.QuantityComparison(*compared, self._quantity(depth), self._quantity(0))
        made: tuple[Condition, ...] = (
            comparison,
            comparison,
            condition_nodes.Known(pick((True, False))),
            condition_nodes.BoolColumn(pick(flags)),
            condition_nodes.OneOf(self._digested(), choices),
            condition_nodes.OneOf(nodes.TextColumn(pick(TEXTS)), literals),
            condition_nodes.OnList(nodes.TextColumn("word"), "lists.watch"),
            condition_nodes.QuantityMissing(self._quantity(depth)),
            condition_nodes.TextMissing(self._digested()),
            self._text_test(),
        )
        return pick(made)

    def _text_test(self) -> Condition:
        pick = self._random.choice
        words: Words = pick((nodes.TextColumn("word"), Lowered(nodes.TextColumn("word_2"))))
        made: tuple[Any, ...] = (
            TextTest(words, pick((StartsWith("a"), EndsWith("b"), Contains("0.")))),
            SameText(words, (self._digested(), Lowered(nodes.TextColumn("word")))),
            InNetworks(nodes.TextColumn("ip"), _TABLE),
            OnNetworkList(nodes.TextColumn("ip"), "lists.networks"),
        )
        condition: Condition = pick(made)
        return condition

    def _digested(self) -> Digested:
        pick = self._random.choice
        return pick((nodes.TextColumn(pick(TEXTS)), nodes.TextColumn("word"), nodes.TextLiteral(pick(("a", "b", "")))))
