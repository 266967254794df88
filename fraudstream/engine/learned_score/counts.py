"""What the kernel of the evidence score reads and writes: the definition as arrays, and the counts of a partition.

All numbers that decide are integers. Evidence, log odds and contributions are in 1/65,536 bits, weights in 2**-24.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from fraudstream.engine.arrays import Float64Array, Int8Array, Int64Array

RARITY, DOUBLINGS = 0, 1  # kinds of parts

VALUE_BINS_MAX: Final = 200  # fixed bins of a part's values
BLOCK_BITS: Final = 4  # one entry of `blocks` sums 16 value bins
BLOCKS: Final = -(-VALUE_BINS_MAX >> BLOCK_BITS)

LABEL_BINS: Final = 18  # bins by which labels are counted
CODES: Final = 256
MISSING_CODE: Final = 255  # of a missing value
CODE_MAX: Final = 254
CODE_BITS: Final = 3  # a code of a rarity is in eighths of a bit

WEIGHT_BITS: Final = 24
WEIGHT_ONE: Final = 1 << WEIGHT_BITS
WEIGHT_AT_FIRST: Final = 6 * WEIGHT_ONE // 10  # parts overlap, so each counts less than in full
SQUARE_AT_FIRST: Final = 1 << 40  # a sum of squared steps of 1 in 2**-40


class DefinitionArrays(NamedTuple):
    """What a score consists of; arrays have shape (parts,) unless noted.

    `kind`: int8. `start`, `step`: of the fixed bins of a rarity, the first of which begins at `start`; of doublings,
    `start` is the floor; float64. `bins`: number of fixed bins; int64. `guess`: evidence of each code while there are
    no labels, 1/65,536 bits; int64, shape (parts, CODES). `pull`: frauds that the guess counts as; `log_pull`: log2 of
    it, 1/65,536. `one_in`: one payment in so many is taken for a fraud while there are no labels. `rate`, `decay`: of
    the weights, in 1/65,536.
    """

    kind: Int8Array
    start: Float64Array
    step: Float64Array
    bins: Int64Array
    guess: Int64Array
    pull: int
    log_pull: int
    one_in: int
    rate: int
    decay: int


class ScoreCounts(NamedTuple):
    """What a partition has learned; int64.

    `values`: earlier values in each fixed bin, shape (parts, VALUE_BINS_MAX); `blocks`: sums of 16 of them,
    shape (parts, BLOCKS); `seen`: sum of all, shape (parts,). `labelled`: labels by value of the label (0 genuine, 1
    fraud) and bin, shape (2, parts, LABEL_BINS); `of_part`: sums over bins, shape (2, parts); `labels`: labelled
    payments, shape (2,). `coded`: payments by the bin of their code, shape (parts, LABEL_BINS); `of_codes`: sums over
    bins, shape (parts,). `weight`: shape (parts,); `square`: sums of squared steps of each weight and of the bias,
    shape (parts + 1,); `bias`: shape (1,), as weights.

    Derived from these by `evidence.derive`, and not saved: `bin_log_odds`: log2(frauds) - log2(others + 1) of each bin
    with a fraud, 1/65,536 bits, shape (parts, LABEL_BINS); `part_logs`: log2 of others + LABEL_BINS and of frauds +
    pull, shape (2, parts). Others: payments that are not labelled frauds. `scratch`: of any content, shape (parts,).
    """

    values: Int64Array
    blocks: Int64Array
    seen: Int64Array
    labelled: Int64Array
    of_part: Int64Array
    labels: Int64Array
    coded: Int64Array
    of_codes: Int64Array
    weight: Int64Array
    square: Int64Array
    bias: Int64Array
    bin_log_odds: Int64Array
    part_logs: Int64Array
    scratch: Int64Array


def new_counts(parts: int) -> ScoreCounts:
    """The counts before the first payment; what is derived from them is not made yet."""
    return ScoreCounts(
        values=np.zeros((parts, VALUE_BINS_MAX), np.int64),
        blocks=np.zeros((parts, BLOCKS), np.int64),
        seen=np.zeros(parts, np.int64),
        labelled=np.zeros((2, parts, LABEL_BINS), np.int64),
        of_part=np.zeros((2, parts), np.int64),
        labels=np.zeros(2, np.int64),
        coded=np.zeros((parts, LABEL_BINS), np.int64),
        of_codes=np.zeros(parts, np.int64),
        weight=np.full(parts, WEIGHT_AT_FIRST, np.int64),
        square=np.full(parts + 1, SQUARE_AT_FIRST, np.int64),
        bias=np.zeros(1, np.int64),
        bin_log_odds=np.zeros((parts, LABEL_BINS), np.int64),
        part_logs=np.zeros((2, parts), np.int64),
        scratch=np.zeros(parts, np.int64),
    )
