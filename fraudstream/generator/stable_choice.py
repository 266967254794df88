"""Choices that stay: the same keys always give the same number, so habits need no memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def stable_uniform(salt: int, *keys: Any) -> Float64Array:
    """Uniform numbers in [0, 1), float64 (n,), one for each row of `keys` (int64 (n,), or scalars for all rows).

    Source: the finaliser of splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    mixed = np.full(np.broadcast(*keys).shape, salt, np.uint64)
    for key in keys:
        mixed = (mixed ^ np.asarray(key, np.int64).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    uniform: Float64Array = (mixed >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)
    return uniform
