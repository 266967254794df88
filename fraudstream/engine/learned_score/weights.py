"""Weights of the parts' evidence: one step of a logistic regression for each label, in integers.

Every label counts alike, so that the estimate is of the probability itself, and most is learned from genuine payments
with a high score, which are those that cost precision. Steps shrink with the sum of squared gradients. Source: Duchi,
Hazan, Singer, "Adaptive Subgradient Methods", JMLR 12, 2011 (diagonal), with a pull back to the weight at first. The
square root is IEEE's, which is exact to the last bit on every machine.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import UInt8Array
from fraudstream.engine.fixed_log import log2_fixed
from fraudstream.engine.learned_score.counts import (
    MISSING_CODE,
    WEIGHT_AT_FIRST,
    WEIGHT_BITS,
    WEIGHT_ONE,
    DefinitionArrays,
    ScoreCounts,
)
from fraudstream.engine.learned_score.evidence import are_sample, evidence_of
from fraudstream.engine.learned_score.fixed_odds import CERTAIN, PROBABILITY_BITS, probability

SQUARE_MAX: Final = 1 << 62
_WEIGHT_MAX: Final = 8 * WEIGHT_ONE
_BIAS_MAX: Final = 64 * WEIGHT_ONE


@jit
def base_log_odds(definition: DefinitionArrays, counts: ScoreCounts) -> int:
    """Log odds of fraud before any evidence, in 1/65,536 bits: the share that is expected, and the bias."""
    return int((counts.bias[0] >> (WEIGHT_BITS - 16)) - log2_fixed(definition.one_in))


@jit
def weighted(counts: ScoreCounts, part: int, evidence: int) -> int:
    """What evidence contributes to the score, in 1/65,536 bits."""
    return int(counts.weight[part] * evidence >> WEIGHT_BITS)


@jit
def learn_weights(definition: DefinitionArrays, counts: ScoreCounts, codes: UInt8Array, label: int) -> None:
    """Take one step for a label that is not counted yet; none while labels are no sample of the payments, or the bias
    would learn that every payment is a fraud. `codes`: of its payment, uint8, shape (parts,).
    `label`: 0 genuine, 1 fraud."""
    if not are_sample(counts):
        return
    parts, log_odds = len(counts.weight), base_log_odds(definition, counts)
    for part in range(parts):
        counts.scratch[part] = evidence_of(definition, counts, part, int(codes[part]))
        log_odds += weighted(counts, part, counts.scratch[part])
    gradient = probability(log_odds) - CERTAIN * label
    for part in range(parts):
        if codes[part] != MISSING_CODE:
            away = (counts.weight[part] - WEIGHT_AT_FIRST) << (PROBABILITY_BITS - WEIGHT_BITS)
            slope = gradient * counts.scratch[part] >> 16
            slope += away * definition.decay >> 16
            moved = counts.weight[part] - _step(definition, counts, part, slope)
            counts.weight[part] = max(-_WEIGHT_MAX, min(moved, _WEIGHT_MAX))
    moved = counts.bias[0] - _step(definition, counts, parts, gradient)
    counts.bias[0] = max(-_BIAS_MAX, min(moved, _BIAS_MAX))


@jit
def _step(definition: DefinitionArrays, counts: ScoreCounts, which: int, slope: int) -> int:
    """How far a weight moves against its `slope`, which is in 2**-30; counts the slope among the squares."""
    coarse = slope >> 10
    counts.square[which] = min(counts.square[which] + coarse * coarse, SQUARE_MAX)
    root = np.int64(math.sqrt(np.float64(counts.square[which])))
    return int((slope << 14) // root * definition.rate >> 16)
