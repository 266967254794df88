"""A batch of rows as an expression's column source: plain dictionaries in, columns out; and the same as a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fraudstream.engine.catalogue import Derived
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey, digest_text
from fraudstream.engine.expression import Array, DistinctTexts, Expression, Symbols, Type, Values, distinct_texts
from fraudstream.engine.frame import FrameLayout, new_frame
from fraudstream.engine.program import verdict_program

Row = Mapping[str, Any]


class Table:
    """`rows`: values by name; None or absent is missing. MONEY in minor units; a row's `exponent` is 2 by default."""

    def __init__(self, rows: Sequence[Row], symbols: Symbols) -> None:
        self._rows, self.symbols = rows, symbols

    @property
    def n(self) -> int:
        return len(self._rows)

    @property
    def minor_per_major(self) -> Values:
        return np.array([10.0 ** row.get("exponent", 2) for row in self._rows], np.float64)

    @property
    def digest_key(self) -> DigestKey:
        return PUBLIC_KEY

    def column(self, name: str) -> Array:
        values = [row.get(name) for row in self._rows]
        match self.symbols[name]:
            case Type.BOOL:
                return np.array([-1 if value is None else int(value) for value in values], np.int8)
            case Type.TEXT:
                return np.array([0 if value is None else digest_text(value, PUBLIC_KEY) for value in values], np.uint64)
            case _:
                return np.array([np.nan if value is None else value for value in values], np.float64)

    def value(self, name: str, row: int) -> float:
        value: float = self.column(name).item(row)
        return value

    def currency(self, row: int) -> str:
        code: str = self._rows[row].get("currency", "EUR")
        return code

    def distinct_texts(self, name: str) -> DistinctTexts:
        return distinct_texts([row.get(name) for row in self._rows])


def answers_of_program(expression: Expression, table: Table) -> list[float | None]:
    """What an expression, run as a program, gives for each row: a number, 1 or 0 of a condition; None for missing."""
    types = table.symbols
    texts = tuple(name for name, type_ in types.items() if type_ is Type.TEXT)
    layout = FrameLayout((*(name for name in types if name not in texts), "answer"), texts, ())
    frame = new_frame(layout, table.n)
    for row, name in enumerate(layout.numbers[:-1]):
        column = table.column(name)
        frame.number[row] = np.where(column < 0, np.nan, column) if types[name] is Type.BOOL else column
    for row, name in enumerate(texts):
        frame.digest[row] = table.column(name)
    frame.minor_per_major[:] = table.minor_per_major
    derived = Derived("answer", expression.type, expression)
    verdict_program([derived], [], [], layout, PUBLIC_KEY).run(frame, table)
    return [None if np.isnan(value) else value for value in frame.number[-1].tolist()]
