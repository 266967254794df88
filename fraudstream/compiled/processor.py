"""Whether this processor runs code that is compiled for another kind: NUMBA_CPU_NAME, as images set it.

Code for instructions that a processor lacks ends the process without a word (SIGILL).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAMED: Final = "NUMBA_CPU_NAME"

_V2: Final = ("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")
_V3: Final = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
# The x86-64 psABI's levels, in LLVM's names: https://gitlab.com/x86-psABIs/x86-64-ABI
LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "x86-64-v2": _V2,
    "x86-64-v3": _V3,
    "x86-64-v4": (*_V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"),
}


def missing_instructions(environment: Mapping[str, str]) -> list[str]:
    """The instruction sets that compiled code may use and this processor lacks; none where no level is named."""
    needed = LEVELS.get(environment.get(NAMED, ""), ())
    if not needed:
        return []
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    return [name for name in needed if not features.get(name, False)]
