"""The verdicts that repeats are answered with: those of the payments that they repeat.

Where the first verdict of a repeat is found is encoded in one int32, the `score` of `ledger.FirstVerdicts`, which the
kernel and the ledger write:

    score >= 0           the first verdict's score, millionths; its finding is in `verdict`
    score == UNKNOWN     the payment is known to be a repeat, but its first verdict is no longer held
    otherwise, below 0   a reference: the first verdict is that of event or payment -(score + 1) of this same batch

`settling` answers the repeats.
"""

from __future__ import annotations

import numpy as np

from fraudstream.engine.arrays import BoolArray, Int32Array, Int64Array
from fraudstream.engine.ledger import UNKNOWN


def reference_to(index: Int64Array) -> Int32Array:
    """Encode indices into the batch, int64, shape (n,), as references: int32, shape (n,), all below 0.

    >>> reference_to(np.array([0, 7])).tolist(), index_of(reference_to(np.array([0, 7]))).tolist()
    ([-1, -8], [0, 7])
    """
    return (-(index + 1)).astype(np.int32)


def index_of(reference: Int32Array) -> Int64Array:
    """The indices that references encode: the reverse of `reference_to`."""
    return -(reference.astype(np.int64) + 1)


def is_reference(score: Int32Array) -> BoolArray:
    """Which of the encoded scores are references: bool, shape (n,)."""
    found: BoolArray = (score < 0) & (score != UNKNOWN)
    return found
