"""How rare a part's value is among the earlier ones, in eighths of a bit: the code of the value.

The rarity of a value is -log2((n - below + 1) / (n + 1)), with n earlier values of which `below` lie in lower bins:
about the negative logarithm of the share of earlier values at least as high. A risk's code is the number of times that
its floor can be doubled without passing it. Source of the tails: Li et al., "ECOD", IEEE TKDE 35(12), 2023, here one
sided and over a stream.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.fixed_log import log2_fixed
from fraudstream.engine.learned_score.counts import (
    BLOCK_BITS,
    CODE_BITS,
    CODE_MAX,
    DOUBLINGS,
    LABEL_BINS,
    MISSING_CODE,
    DefinitionArrays,
    ScoreCounts,
)


@jit
def value_bin(definition: DefinitionArrays, part: int, value: float) -> int:
    """The fixed bin of a value that is not missing; values outside the bins belong to the first or last one."""
    place = (value - definition.start[part]) / definition.step[part]
    last = definition.bins[part] - 1
    if not place >= 1.0:
        return 0
    return int(last) if place >= last else int(place)


@jit
def code_of(definition: DefinitionArrays, counts: ScoreCounts, part: int, value: float) -> int:
    """The code of a value by the values counted so far: 0 to `CODE_MAX`, or `MISSING_CODE`."""
    if np.isnan(value):
        return MISSING_CODE
    if definition.kind[part] == DOUBLINGS:
        return _doublings(definition.start[part], value)
    at = value_bin(definition, part, value)
    block = at >> BLOCK_BITS
    below = np.int64(0)
    for k in range(block):
        below += counts.blocks[part, k]
    for k in range(block << BLOCK_BITS, at):
        below += counts.values[part, k]
    n = counts.seen[part]
    bits = log2_fixed(n + 1) - log2_fixed(n - below + 1)
    return int(min(bits >> (16 - CODE_BITS), CODE_MAX))


@jit
def add_value(definition: DefinitionArrays, counts: ScoreCounts, part: int, value: float) -> None:
    """Count a value; a missing one and a risk are not counted."""
    if np.isnan(value) or definition.kind[part] == DOUBLINGS:
        return
    at = value_bin(definition, part, value)
    counts.values[part, at] += 1
    counts.blocks[part, at >> BLOCK_BITS] += 1
    counts.seen[part] += 1


@jit
def label_bin(definition: DefinitionArrays, part: int, code: int) -> int:
    """The bin in which labels of payments with this code are counted; a rarity's is a whole bit wide."""
    bin_ = code if definition.kind[part] == DOUBLINGS else code >> CODE_BITS
    return int(min(bin_, LABEL_BINS - 1))


@jit
def _doublings(floor: float, value: float) -> int:
    code, edge = 0, floor * 2.0
    while code < LABEL_BINS - 1 and value >= edge:
        code, edge = code + 1, edge * 2.0
    return code
