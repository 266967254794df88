"""Numba's decorator, typed. With `NUMBA_DISABLE_JIT=1` the same functions run as plain Python with equal results."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numba

# The modules whose source is compiled to machine code, without the suffix.
COMPILED = (
    "aggregates/count",
    "aggregates/deviation",
    "aggregates/dispatch",
    "aggregates/distinct",
    "aggregates/extremes",
    "aggregates/first_seen",
    "aggregates/last",
    "aggregates/median",
    "aggregates/panes",
    "aggregates/share",
    "aggregates/since_last",
    "aggregates/sums",
    "aggregates/travel",
    "aggregates/window",
    "amounts",
    "answering",
    "arena",
    "digest",
    "kernel",
    "key_index",
    "ledger",
    "location",
    "kernel_types",
    "labelling",
    "relations",
    "ring",
)

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """Compile `function` on its first call and cache the machine code in `__pycache__`, under a digest of all sources.

    Numba checks a function's own file only: without the digest, code that `kernel` compiled from `ring` and `arena`
    would still be used after those have changed.

    No fast-math: additions keep their written order. No reference counting (`_nrt`): nothing compiled here allocates,
    and counting references for the arrays of every tuple argument took four fifths of the kernel's time.
    """
    config: Any = numba.config
    given, config.CACHE_DIR = config.CACHE_DIR, str(_cache_directory(config.CACHE_DIR))
    try:
        compiled: F = numba.njit(**_OPTIONS)(function)
    finally:
        config.CACHE_DIR = given
    return compiled


def _cache_directory(given: str) -> Path:
    """A directory below NUMBA_CACHE_DIR (`given`), or else next to the sources, named by the digest of the sources."""
    return Path(given or _HERE / "__pycache__") / f"numba-{_SOURCES}"


_HERE = Path(__file__).parent
_SOURCES = blake2b(b"".join((_HERE / f"{name}.py").read_bytes() for name in COMPILED), digest_size=8).hexdigest()
