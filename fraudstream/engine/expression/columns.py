"""The input of expressions: the columns of a batch of payments."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

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


class Truth(NamedTuple):
    """The result of a condition, shape (n,). Where it is not known (a value was missing), `true` is False."""

    true: BoolArray
    known: BoolArray
