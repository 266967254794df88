"""Numba's decorator, typed. With `NUMBA_DISABLE_JIT=1` the same functions run as plain Python, slowly, and answer the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """Compile `function` on its first call and keep the machine code beside its file. No fast-math: additions stay in their written order."""
    compiled: F = numba.njit(cache=True, nogil=True)(function)
    return compiled
