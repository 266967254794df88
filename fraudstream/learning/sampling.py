"""All frauds and a sample of the genuine payments, each kept one standing for as many as it was drawn from.

The sample is the genuine payments with the lowest digests of their event ids. So it is random to what is learned, the
same whatever the batches, and the same again tomorrow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fraudstream.engine.arrays import BoolArray, Float64Array, Int64Array, UInt64Array


class Rows(NamedTuple):
    """`n` labelled payments in order of event time.

    `values`: float64, shape (n, inputs), NaN missing. `fraud`: bool. `weight`: how many payments each stands for;
    float64. `occurred_at_ms`: ms since the epoch; int64. The last three have shape (n,).
    """

    values: Float64Array
    fraud: BoolArray
    weight: Float64Array
    occurred_at_ms: Int64Array


class Sample:
    """Collects labelled payments. `genuine_max`: genuine payments to keep. `inputs`: values of a payment."""

    def __init__(self, genuine_max: int, inputs: int) -> None:
        self._genuine_max, self._inputs = genuine_max, inputs
        self._values: list[Float64Array] = []
        self._fraud: list[BoolArray] = []
        self._time: list[Int64Array] = []
        self._digest: list[UInt64Array] = []
        self._held = 0
        self.genuine = self.frauds = 0  # seen

    def add(self, values: Float64Array, fraud: BoolArray, occurred_at_ms: Int64Array, digest: UInt64Array) -> None:
        """Payments of one batch; shapes as in `Rows`. `digest`: of their event ids; uint64."""
        frauds = int(fraud.sum())
        self.frauds, self.genuine = self.frauds + frauds, self.genuine + len(fraud) - frauds
        self._values.append(values)
        self._fraud.append(fraud)
        self._time.append(occurred_at_ms)
        self._digest.append(digest)
        self._held += len(fraud)
        if self._held > self.frauds + 2 * self._genuine_max:
            self._prune()

    def rows(self) -> Rows:
        """The payments that were kept."""
        if not self._values:
            none = np.zeros(0)
            return Rows(np.zeros((0, self._inputs)), none.astype(np.bool_), none, none.astype(np.int64))
        self._prune()
        [values], [fraud], [time] = self._values, self._fraud, self._time
        kept = max(1, int((~fraud).sum()))
        return Rows(values, fraud, np.where(fraud, 1.0, self.genuine / kept), time)

    def _prune(self) -> None:
        """Drop the genuine payments that are not among the `genuine_max` lowest digests. Order is kept."""
        values, fraud = np.concatenate(self._values), np.concatenate(self._fraud)
        time, digest = np.concatenate(self._time), np.concatenate(self._digest)
        genuine = np.flatnonzero(~fraud)
        lowest = genuine[np.argsort(digest[genuine], kind="stable")[: self._genuine_max]]
        keep = np.sort(np.concatenate([np.flatnonzero(fraud), lowest]))
        self._values, self._fraud = [values[keep]], [fraud[keep]]
        self._time, self._digest = [time[keep]], [digest[keep]]
        self._held = len(keep)
