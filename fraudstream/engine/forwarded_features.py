"""What a payment brings along from the stages before: what became of it, and its features, packed as one header.

A stage forwards each payment with all that is known of it so far; the stage that decides has then the features of every
entity. Packed: the digest of the features, when the payment arrived, its status, and for each feature how it was
answered and its value; little-endian, as wide for every payment.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np

from fraudstream.engine.arrays import Float64Array, Int8Array, Int64Array
from fraudstream.engine.plan import EntityPlan


class OtherFeatures(ValueError):
    """Payments come with features of another catalogue than this one."""


class ForwardedFeatures(NamedTuple):
    """Of `n` events, in the order of the log. `arrived_at_ms`: their records' timestamps in the first stage's log.
    `since_ms`: the latest of the stages' memories', `NEVER` if all have seen their logs from the beginning. `status`:
    as the first stage found it. `value` and `error`: shape (features, n), those of all stages so far."""

    arrived_at_ms: Int64Array
    since_ms: Int64Array
    status: Int8Array
    value: Float64Array
    error: Int8Array

    def at(self, positions: Int64Array) -> ForwardedFeatures:
        """Of some of the events."""
        if len(positions) == len(self.status):
            return self
        return ForwardedFeatures(
            self.arrived_at_ms[positions],
            self.since_ms[positions],
            self.status[positions],
            self.value[:, positions],
            self.error[:, positions],
        )


class FeatureCodec:
    """How what is known after some stages is packed. `plans`: of their entities, in order."""

    def __init__(self, plans: Sequence[EntityPlan]) -> None:
        self.features = tuple(feature.name for plan in plans for feature in plan.features)
        told = [[plan.layout, [feature.name for feature in plan.features], plan.plan.spec.tolist()] for plan in plans]
        told.append([plan.plan.filter_bits.tolist() for plan in plans])
        digest = blake2b(msgspec.json.encode(told), digest_size=8).digest()
        self._digest = int.from_bytes(digest, "little")
        count = len(self.features)
        self._packed = np.dtype(
            [
                ("digest", "<u8"),
                ("arrived_at_ms", "<i8"),
                ("since_ms", "<i8"),
                ("status", "i1"),
                ("error", "i1", (count,)),
                ("value", "<f8", (count,)),
            ]
        )

    def pack(self, forwarded: ForwardedFeatures) -> list[bytes]:
        """What each event brings along."""
        packed = np.empty(len(forwarded.status), self._packed)
        packed["digest"] = self._digest
        packed["arrived_at_ms"], packed["since_ms"] = forwarded.arrived_at_ms, forwarded.since_ms
        packed["status"], packed["error"], packed["value"] = forwarded.status, forwarded.error.T, forwarded.value.T
        width, blob = self._packed.itemsize, packed.tobytes()
        return [blob[i : i + width] for i in range(0, len(blob), width)]

    def unpack(self, values: Sequence[bytes]) -> ForwardedFeatures:
        """The reverse. Raises `OtherFeatures`."""
        blob, width = b"".join(values), self._packed.itemsize
        fits = len(blob) == width * len(values) and all(len(value) == width for value in values)
        packed = np.frombuffer(blob, self._packed) if fits else np.empty(0, self._packed)
        if not fits or (packed["digest"] != self._digest).any():
            raise OtherFeatures(
                "payments come with features of another rules/features.yaml than this stage's. Run all stages with the "
                "same one."
            )
        names = ("arrived_at_ms", "since_ms", "status", "value", "error")
        return ForwardedFeatures(*(np.ascontiguousarray(packed[name].T) for name in names))
