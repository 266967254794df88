"""The logarithm of an amount as the state holds it: an integer, so sums and sums of squares are exact."""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.fixed_log import ONE, log2_fixed

LOG_UNIT: Final = 1024  # one bit, a doubling of the amount

_SHIFT: Final = np.int64((ONE // LOG_UNIT).bit_length() - 1)


@jit
def log_amount(amount: int) -> int:
    """log2 of an amount in minor units, in 1/1,024, rounded down: 0 to 64,511; 0 of 0 too.

    Squares of amounts up to 10**9 minor units, 2**30, sum exactly in a float64 for 9 million payments.
    """
    return int(np.int64(log2_fixed(amount)) >> _SHIFT)
