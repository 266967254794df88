"""The input of expressions: the columns of a batch of payments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fraudstream.engine.arrays import BoolArray, Float64Array
from fraudstream.engine.digest import DigestKey

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = Float64Array  # shape (n,), NaN = missing


class ColumnSource(Protocol):
    """Columns of `n` payments."""

    @property
    def n(self) -> int:
        """Number of payments."""
        ...

    @property
    def minor_per_major(self) -> Values:
        """Minor units in one major unit of each payment's currency; float64, shape (n,)."""
        ...

    @property
    def digest_key(self) -> DigestKey:
        """The key of all TEXT digests."""
        ...

    def column(self, name: str) -> Array:
        """The column of a symbol, shape (n,), not to be written to. The dtype follows from the symbol's type:

        BOOL int8 (1, 0, -1 missing); NUMBER, MONEY (minor units) and DURATION (ms) float64 (NaN missing); TEXT uint64
        digests (0 missing).
        """
        ...

    def distinct_texts(self, name: str) -> DistinctTexts:
        """The texts of a TEXT symbol themselves, for the functions that look into them."""
        ...


class DistinctTexts(NamedTuple):
    """n texts, each different one once. `texts`: them, m. `code`: index of each row's text, -1 for a missing one;
    int32, shape (n,), or a scalar for a literal."""

    texts: Sequence[str]
    code: Any

    def taken(self, of_text: Array, missing: Any) -> Any:
        """The row of `of_text`, shape (m,), for each text; `missing` for a missing one."""
        return np.append(of_text, np.array([missing], of_text.dtype))[self.code]


def distinct_texts(texts: Sequence[str | None]) -> DistinctTexts:
    """The texts of n rows, each different one once; None and an empty text are missing.

    >>> distinct_texts(["b", None, "a", "b", ""])
    DistinctTexts(texts=['b', 'a'], code=array([ 0, -1,  1,  0, -1], dtype=int32))
    """
    different = [text for text in dict.fromkeys(texts) if text]
    code_of: dict[str | None, int] = {text: code for code, text in enumerate(different)}
    code_of |= {None: -1, "": -1}
    return DistinctTexts(different, np.fromiter(map(code_of.__getitem__, texts), np.int32, len(texts)))


class Truth(NamedTuple):
    """The result of a condition, shape (n,). Where it is not known (a value was missing), `true` is False."""

    true: BoolArray
    known: BoolArray
