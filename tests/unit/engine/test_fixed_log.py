"""Integer logarithms: close to the real ones, and monotone."""

import math

from hypothesis import given
from hypothesis import strategies as st

from fraudstream.compiled.jit import entry_point
from fraudstream.engine.fixed_log import ONE, log2_fixed, log2_of


@entry_point
def _log2(x: int) -> int:
    return log2_fixed(x)


@given(st.integers(1, 2**63 - 1))
def test_it_is_off_by_less_than_two_units(x: int) -> None:
    assert abs(_log2(x) - math.log2(x) * ONE) < 2.5


@given(st.integers(1, 2**63 - 2))
def test_it_never_falls(x: int) -> None:
    assert _log2(x) <= _log2(x + 1)


def test_powers_of_two_are_exact() -> None:
    assert [_log2(1 << k) for k in range(63)] == [k * ONE for k in range(63)]


def test_zero_and_less_give_zero() -> None:
    assert [_log2(x) for x in (0, -1)] == [0, 0]


@given(st.integers(-2, 2**63 - 1))
def test_plain_python_gives_the_same(x: int) -> None:
    assert log2_of(x) == _log2(x)
