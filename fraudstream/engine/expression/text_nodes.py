"""Nodes that look into texts: `lower`, `starts_with`, `ends_with`, `contains`, `matches`, and `in_network`.

Each different text of a batch is looked at once, as it is written: no digest decides. A missing text is neither true
nor false, as everywhere, and so is a text that is no address beside `in_network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np

from fraudstream.engine.arrays import BoolArray, Int8Array
from fraudstream.engine.expression.columns import ColumnSource, DistinctTexts
from fraudstream.engine.expression.nodes import Answer, TextColumn, TextLiteral, Words
from fraudstream.engine.networks import NetworkTable, parse_address


@dataclass(frozen=True, slots=True)
class Lowered:
    """The text in small letters, as Unicode maps them (`str.lower`)."""

    part: Words

    def texts(self, columns: ColumnSource) -> DistinctTexts:
        """As `Words.texts`; two of the texts may be equal."""
        found = self.part.texts(columns)
        return DistinctTexts([text.lower() for text in found.texts], found.code)


def source_of(words: Words | None) -> str | None:
    """The name of the field or feature that a text comes from; None for a literal."""
    if isinstance(words, Lowered):
        return source_of(words.part)
    return words.name if isinstance(words, TextColumn) else None


def digested(words: Words) -> TextColumn | TextLiteral:
    """The text that is missing where `words` is, and that has a digest."""
    if isinstance(words, Lowered):
        return digested(words.part)
    assert isinstance(words, TextColumn | TextLiteral), f"{words} has no digest"
    return words


class TextPredicate(Protocol):
    """A test of one text."""

    def holds(self, texts: Sequence[str]) -> BoolArray:
        """Which of the m texts pass: bool, shape (m,)."""
        ...


@dataclass(frozen=True, slots=True)
class StartsWith:
    """The text starts with `fragment`."""

    fragment: str

    def holds(self, texts: Sequence[str]) -> BoolArray:
        """As `TextPredicate.holds`."""
        return np.array([text.startswith(self.fragment) for text in texts], np.bool_)


@dataclass(frozen=True, slots=True)
class EndsWith:
    """The text ends with `fragment`."""

    fragment: str

    def holds(self, texts: Sequence[str]) -> BoolArray:
        """As `TextPredicate.holds`."""
        return np.array([text.endswith(self.fragment) for text in texts], np.bool_)


@dataclass(frozen=True, slots=True)
class Contains:
    """`fragment` is somewhere in the text."""

    fragment: str

    def holds(self, texts: Sequence[str]) -> BoolArray:
        """As `TextPredicate.holds`."""
        return np.array([self.fragment in text for text in texts], np.bool_)


@dataclass(frozen=True, slots=True)
class Matches:
    """The regular expression `pattern` of RE2 matches somewhere in the text, in time linear in its length.

    pyarrow, which has RE2, is imported by the first rule that asks for it: a worker without such a rule does not pay
    for it.
    """

    pattern: str

    def holds(self, texts: Sequence[str]) -> BoolArray:
        """As `TextPredicate.holds`. Raises `ValueError` with RE2's words if the pattern is not a regular expression."""
        import pyarrow as pa
        import pyarrow.compute as pc

        matched = pc.match_substring_regex(pa.array(texts, pa.string()), pattern=self.pattern)
        found: BoolArray = matched.to_numpy(zero_copy_only=False).astype(np.bool_)
        return found


@dataclass(frozen=True, slots=True)
class TextTest:
    """A test of a text."""

    part: Words
    test: TextPredicate

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        found = self.part.texts(columns)
        return found.taken(self.test.holds(found.texts), False)

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        found = self.part.texts(columns)
        return found.taken(~self.test.holds(found.texts), False)


@dataclass(frozen=True, slots=True)
class SameText:
    """The text is one of `choices`, texts that have no digests of their own; with one choice this is `==`."""

    left: Words
    choices: tuple[Words, ...]

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        left, choices = self._numbered(columns)
        equal = [(left == choice) & (left >= 0) for choice in choices]
        return reduce(np.logical_or, equal)

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        left, choices = self._numbered(columns)
        different = [(left != choice) & (left >= 0) & (choice >= 0) for choice in choices]
        return reduce(np.logical_and, different)

    def _numbered(self, columns: ColumnSource) -> tuple[Answer, list[Answer]]:
        """A number for each text, equal for equal texts, -1 for a missing one: of `left`, and of each choice."""
        numbers: dict[str, int] = {}
        numbered = []
        for part in (self.left, *self.choices):
            found = part.texts(columns)
            of_text = np.array([numbers.setdefault(text, len(numbers)) for text in found.texts], np.int32)
            numbered.append(found.taken(of_text, -1))
        return numbered[0], numbered[1:]


@dataclass(frozen=True, slots=True)
class InNetworks:
    """The text is an address in one of the networks. `networks`: each without end."""

    part: Words
    networks: NetworkTable

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        found = self.part.texts(columns)
        return found.taken(self._inside(found.texts) == 1, False)

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        found = self.part.texts(columns)
        return found.taken(self._inside(found.texts) == 0, False)

    def _inside(self, texts: Sequence[str]) -> Int8Array:
        """1 for an address in a network, 0 for any other one, -1 for a text that is no address: int8, shape (m,)."""
        addresses = [parse_address(text) for text in texts]
        return np.array(
            [-1 if address is None else self.networks.until_ms(address) > 0 for address in addresses], np.int8
        )


@dataclass(frozen=True, slots=True)
class OnNetworkList:
    """The text is an address in a network that is on a list when its payment occurs. `list_column`: as in `OnList`."""

    left: Words
    list_column: str

    def true(self, columns: ColumnSource) -> Answer:
        """As `Condition.true`."""
        return columns.column(self.list_column) > 0

    def false(self, columns: ColumnSource) -> Answer:
        """As `Condition.false`."""
        found = self.left.texts(columns)
        known = np.array([parse_address(text) is not None for text in found.texts], np.bool_)
        return (columns.column(self.list_column) == 0) & found.taken(known, False)
