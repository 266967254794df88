"""The features that a stage forwards with each payment, packed as one record header.

A stage forwards each payment with all features found so far, so the stage that decides has those of every entity. The
format: the digest of the features' declarations, of the digest key and of the rates, when the payment arrived, its
status, the entities that it did not match, and for each feature its error and its value; little-endian, the same width
for every payment.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np

from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import Packed, pack, sealed
from fraudstream.engine.arrays import Float64Array, Int8Array, Int64Array, UInt8Array, UInt64Array
from fraudstream.engine.currencies import Currencies
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.plan import EntityPlan


class OtherFeatures(ValueError):
    """The previous stage forwarded features of another catalogue, under another digest key, or of other rates."""


class ForwardedFeatures(NamedTuple):
    """The features of `n` events in the order of the log, from all stages so far.

    `arrived_at_ms`: timestamps of the records in the first stage's log; int64, shape (n,). `since_ms`: when the
    youngest of the stages' states began, ms since the epoch; `NEVER` if all cover their logs from the beginning; int64,
    shape (n,). `status`: as the first stage found it, `kernel_types.FRESH` and so on; int8, shape (n,). `unmatched`: as
    in `Verdicts`, of the stages so far; uint64, shape (n,). `value`, NaN missing, and `error`, `kernel_types.EXACT` and
    so on: float64 and int8, shape (features, n).
    """

    arrived_at_ms: Int64Array
    since_ms: Int64Array
    status: Int8Array
    unmatched: UInt64Array
    value: Float64Array
    error: Int8Array

    def at(self, positions: Int64Array) -> ForwardedFeatures:
        """Those of the events at `positions`, int64 indices without repetition, in that order."""
        if len(positions) == len(self.status):
            return self
        return ForwardedFeatures(
            self.arrived_at_ms[positions],
            self.since_ms[positions],
            self.status[positions],
            self.unmatched[positions],
            self.value[:, positions],
            self.error[:, positions],
        )


class FeatureCodec:
    """Packs and unpacks the features of some stages. `plans`: of their entities, in order. `features`: their names.
    `digest_key`: of the codes that are the values of TEXT features. `currencies`: by which amounts are converted."""

    def __init__(
        self, plans: Sequence[EntityPlan], digest_key: DigestKey, currencies: Currencies | None = None
    ) -> None:
        self.digest_key = digest_key
        self.features = tuple(feature.name for plan in plans for feature in plan.features)
        declared = [
            [plan.layout, [feature.name for feature in plan.features], plan.plan.spec.tolist()] for plan in plans
        ]
        declared.append([plan.plan.filter_bits.tolist() for plan in plans])
        declared.append([digest_key.fingerprint])
        if currencies is not None:
            declared.append([currencies.base, currencies.rates])
        digest = blake2b(msgspec.json.encode(declared), digest_size=8).digest()
        self._digest = int.from_bytes(digest, "little")
        count = len(self.features)
        self._packed = np.dtype(
            [
                ("digest", "<u8"),
                ("arrived_at_ms", "<i8"),
                ("since_ms", "<i8"),
                ("status", "i1"),
                ("unmatched", "<u8"),
                ("error", "i1", (count,)),
                ("value", "<f8", (count,)),
            ]
        )

    def pack(self, forwarded: ForwardedFeatures) -> Packed:
        """The header value of each event."""
        n, width = len(forwarded.status), self._packed.itemsize
        buffer = np.empty(n * width + PADDING, np.uint8)
        packed = buffer[: n * width].view(self._packed)
        packed["digest"] = self._digest
        packed["arrived_at_ms"], packed["since_ms"] = forwarded.arrived_at_ms, forwarded.since_ms
        packed["status"], packed["unmatched"] = forwarded.status, forwarded.unmatched
        packed["error"], packed["value"] = forwarded.error.T, forwarded.value.T
        return sealed(buffer, np.arange(n) * width, np.full(n, width))

    def unpack(self, values: Sequence[bytes]) -> ForwardedFeatures:
        """The features in header values, one for each event. Raises `OtherFeatures`."""
        return self.unpack_spans(*pack(values))

    def unpack_spans(self, buffer: UInt8Array, at: Int64Array, length: Int64Array) -> ForwardedFeatures:
        """As `unpack`, of values in a buffer; as `compiled.packed.Packed`."""
        width = self._packed.itemsize
        fits = bool((length == width).all())
        packed = buffer[at[:, None] + np.arange(width)].reshape(-1).view(self._packed) if fits else None
        if packed is None or (packed["digest"] != self._digest).any():
            raise OtherFeatures(
                "payments come with features of another rules/features.yaml or rules/currencies.yaml, or another "
                "identifier secret, than this stage's. Run all stages with the same ones."
            )
        names = ("arrived_at_ms", "since_ms", "status", "unmatched", "value", "error")
        return ForwardedFeatures(*(np.array(packed[name].T, order="C") for name in names))
