"""Numba's decorator, typed. With `NUMBA_DISABLE_JIT=1` the same functions run as plain Python and answer the same."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numba

# The modules that machine code comes from.
COMPILED = (
    "amounts",
    "arena",
    "digest",
    "kernel",
    "key_index",
    "ledger",
    "lookback",
    "location",
    "kernel_types",
    "ring",
    "windows",
)

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """Compile `function` on its first call and keep the machine code in `__pycache__`, under a digest of sources.

    Numba looks at a function's own file only: without the digest, what `kernel` compiled from `ring` and `arena` would
    be used on after those have changed.

    No fast-math: additions stay in their written order. No reference counts: nothing compiled here allocates, and
    counting the references to the arrays of every tuple that is handed on took four fifths of the kernel's time.
    """
    config: Any = numba.config
    given, config.CACHE_DIR = config.CACHE_DIR, str(_cache_directory(config.CACHE_DIR))
    try:
        compiled: F = numba.njit(**_OPTIONS)(function)
    finally:
        config.CACHE_DIR = given
    return compiled


def _cache_directory(given: str) -> Path:
    """Below the directory that NUMBA_CACHE_DIR gives, else beside the sources."""
    return Path(given or _HERE / "__pycache__") / f"numba-{_SOURCES}"


_HERE = Path(__file__).parent
_SOURCES = blake2b(b"".join((_HERE / f"{name}.py").read_bytes() for name in COMPILED), digest_size=8).hexdigest()
