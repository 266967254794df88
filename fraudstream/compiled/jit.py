"""Numba's decorators, typed. With `NUMBA_DISABLE_JIT=1` the same functions run as plain Python with equal results.

Machine code is cached where `cache` finds a place. A cache that cannot be read or written ends
nothing: the code is compiled again, and that is logged once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache, NullCache
from numba.core.registry import CPUDispatcher

from fraudstream.compiled.cache import GIVEN, JitCache, jit_cache, seed

# The modules whose source is compiled to machine code, relative to the package, without the suffix.
COMPILED = (
    "compiled/bits",
    "compiled/memory",
    "compiled/packed",
    "compiled/spans",
    "compiled/writing",
    "contracts/currency",
    "contracts/headers",
    "engine/adding",
    "engine/aggregates/count",
    "engine/aggregates/deviation",
    "engine/aggregates/dispatch",
    "engine/aggregates/distinct",
    "engine/aggregates/extremes",
    "engine/aggregates/first_seen",
    "engine/aggregates/last",
    "engine/aggregates/median",
    "engine/aggregates/panes",
    "engine/aggregates/rarity",
    "engine/aggregates/risk",
    "engine/aggregates/share",
    "engine/aggregates/since_last",
    "engine/aggregates/sums",
    "engine/aggregates/travel",
    "engine/aggregates/window",
    "engine/aggregates/z_score",
    "engine/amounts",
    "engine/answering",
    "engine/arena",
    "engine/changed_rows",
    "engine/conversion",
    "engine/decision_bytes",
    "engine/digest",
    "engine/finding_table",
    "engine/fixed_log",
    "engine/frame",
    "engine/header_fields",
    "engine/kernel",
    "engine/kernel_events",
    "engine/kernel_types",
    "engine/key_index",
    "engine/key_text",
    "engine/label_buckets",
    "engine/label_entries",
    "engine/labelling",
    "engine/learned_score/counts",
    "engine/learned_score/evidence",
    "engine/learned_score/fixed_odds",
    "engine/learned_score/kernel",
    "engine/learned_score/rarity",
    "engine/learned_score/weights",
    "engine/ledger",
    "engine/location",
    "engine/log_amount",
    "engine/partitioners",
    "engine/program/arithmetic",
    "engine/program/interpreter",
    "engine/program/logic",
    "engine/program/operations",
    "engine/published_amount",
    "engine/recent_labels",
    "engine/record_pieces",
    "engine/records",
    "engine/relations",
    "engine/restored_rows",
    "engine/ring",
    "engine/saved",
    "engine/scan/fields",
    "engine/scan/moment",
    "engine/scan/money",
    "engine/scan/record",
    "engine/scan/rows",
    "engine/scan/table_types",
    "engine/scan/tokens",
    "engine/scan/words",
    "engine/settling",
    "engine/siphash",
    "engine/surprisal",
    "engine/trees/calibration",
    "engine/trees/ensemble",
    "engine/trees/kernel",
    "kafka/record_batch/batch_header",
    "kafka/record_batch/headers",
    "kafka/record_batch/record_spans",
    "kafka/record_batch/varint",
    "kafka/record_batch/writer",
    "tracing/header_names",
)

_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "no_cfunc_wrapper": True}

F = TypeVar("F", bound=Callable[..., object])

log = logging.getLogger(__name__)


def jit(function: F) -> F:
    """Compile `function` into its compiled callers: it is inlined there.

    Inlining takes the kernel to half of its time: a call copies every array descriptor of every tuple argument. The
    code with which Python would call it would be a third of what there is to compile.
    """
    compiled = _compiled(function, forceinline=True, no_cpython_wrapper=True)
    dispatcher: Any = compiled
    if dispatcher is not function:
        dispatcher.__class__ = _Inlined
    return compiled


def inlined_entry_point(function: F) -> F:
    """As `jit`, of a function that Python calls as well, from the cache."""
    return _compiled(function, forceinline=True)


def entry_point(function: F) -> F:
    """Compile a function that Python calls, on its first call, and cache the machine code under a digest of all
    sources.

    Numba checks a function's own file only: without the digest, code that `kernel` compiled from `ring` and `arena`
    would still be used after those have changed.

    No fast-math: additions keep their written order. No reference counting (`_nrt`): nothing compiled here allocates,
    and counting references for the arrays of every tuple argument took four fifths of the kernel's time.
    """
    return _compiled(function)


def _compiled(function: F, **options: bool) -> F:
    njit: Any = numba.njit
    compiled: F = njit(**_OPTIONS, **options)(function)
    dispatcher: Any = compiled
    if dispatcher is not function:  # as it is with NUMBA_DISABLE_JIT
        dispatcher._cache = _cache_of(function)
    return compiled


class _Inlined(CPUDispatcher):
    """A function without the code with which Python would call it: a plain call would end the process."""

    def __call__(self, *args: object) -> object:
        """Call it by a function that is compiled for that, each time the program runs: tests do."""
        if "entry" not in self.__dict__:
            self.__dict__["entry"] = numba.njit(**_OPTIONS)(lambda *given: self(*given))
        return self.__dict__["entry"](*args)


def is_cached(entry_point: Callable[..., object]) -> bool:
    """Whether the cache holds machine code of this function, which an earlier run has compiled."""
    directory = _jit_cache().directory
    name = f"{entry_point.__module__.rpartition('.')[2]}.{entry_point.__name__}"
    return directory is not None and any((directory / _ENTRY).rglob(f"{name}-*.nbc"))


def can_cache() -> bool:
    """Whether what this process compiles is read by others, and what they compile by this one."""
    return _jit_cache().directory is not None and not cast(Any, numba.config).DISABLE_JIT


def _cache_of(function: Callable[..., object]) -> Any:
    """The cache of one function's machine code, in the directory of this process."""
    directory = _jit_cache().directory
    if directory is None:
        return _NoCache()
    config: Any = numba.config
    cache_of: Callable[[Callable[..., object]], Any] = _Cache
    given, config.CACHE_DIR = config.CACHE_DIR, str(directory / _ENTRY)
    try:
        return cache_of(function)
    except RuntimeError:  # the directory was writable a moment ago
        return _NoCache()
    finally:
        config.CACHE_DIR = given


class _Cache(FunctionCache):
    """Numba's cache, in which an entry that cannot be read is missing, and one that cannot be written is left out."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for a signature; None if it is not cached."""
        numbas: Any = super()
        try:
            return numbas.load_overload(sig, target_context)
        except Exception as error:  # unpickling or linking a damaged file may raise anything
            _warn(f"compiled code in {self.cache_path} cannot be read ({type(error).__name__}): it is compiled again")
            with suppress(Exception):
                numbas.flush()  # write a new index
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Cache the machine code of a signature."""
        numbas: Any = super()
        try:
            numbas.save_overload(sig, data)
        except Exception as error:  # a full disk, for example
            reason = getattr(error, "strerror", None) or type(error).__name__
            _warn(f"{_NOT_CACHED}: {self.cache_path} cannot be written ({reason})")
        if os.environ.get(GIVEN) and (refused := _jit_cache().refused):
            _warn(f"cache.directory cannot be used: {refused[0]}. Compiled code is cached in {_jit_cache().directory}")


class _NoCache(NullCache):
    """No cache: that is reported once something was compiled."""

    def save_overload(self, sig: Any, data: Any) -> None:
        """Cache nothing."""
        refused = "; ".join(_jit_cache().refused)
        _warn(f"{_NOT_CACHED}: {refused}. Set cache.directory to a directory that this user can write to")


@cache
def _jit_cache() -> JitCache:
    """The cache of this process, found once, with the compiled code that ships with the program in it."""
    found = jit_cache(os.environ)
    if found.directory is not None:
        try:
            seed(found.directory, _ENTRY)
        except OSError as error:  # a full disk, for example
            _warn(
                f"compiled code of the image cannot be copied to {found.directory} ({error.strerror}): it is compiled"
            )
    return found


def _warn(sentence: str) -> None:
    """Log what is wrong with the cache, once in a process: hundreds of functions have the same."""
    if not _warned:
        _warned.append(sentence)
        log.warning("%s.", sentence)


_NOT_CACHED = "compiled code is not cached, so every start takes some seconds longer"
_warned: list[str] = []
_PACKAGE = Path(__file__).parents[1]
_SOURCES = blake2b(b"".join((_PACKAGE / f"{name}.py").read_bytes() for name in COMPILED), digest_size=8).hexdigest()
# With NUMBA_BOUNDSCHECK=1 other code is compiled, which numba's own index does not tell apart.
_ENTRY = f"numba-{_SOURCES}" + ("-checked" if cast(Any, numba.config).BOUNDSCHECK else "")
