"""Calls that skip the dispatcher return what the function returns, and in tests refuse other types."""

from __future__ import annotations

import numpy as np
import pytest

from fraudstream.compiled.direct import CHECK_TYPES, Direct
from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import Int64Array


@entry_point
def _sum(values: Int64Array) -> int:
    total = 0
    for value in values:
        total += value
    return total


def test_every_call_gives_the_result_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CHECK_TYPES, raising=False)
    direct = Direct(_sum)
    assert [direct(np.arange(n)) for n in range(5)] == [0, 0, 1, 3, 6]


def test_other_types_are_refused_where_types_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECK_TYPES, "1")
    direct = Direct(_sum)
    assert direct(np.arange(3)) == 3
    with pytest.raises(TypeError, match=r"_sum was compiled for other types: argument 0: array\(int32"):
        direct(np.arange(3, dtype=np.int32))
