"""Numba's decorator, typed. With `NUMBA_DISABLE_JIT=1` the same functions run as plain Python, slowly, and answer the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """Compile `function` on its first call and keep the machine code beside its file.

    No fast-math: additions stay in their written order. No reference counts: nothing compiled here allocates, and counting
    the references to the arrays of every tuple that is handed on took four fifths of the kernel's time.
    """
    compiled: F = numba.njit(**_OPTIONS)(function)
    return compiled
