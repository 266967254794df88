"""The payments of the benchmarks keep their bytes, so that figures of different days can be compared."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from benchmarks.payments import START_MS
from benchmarks.reference_payments.plan import GeneratorPlan
from benchmarks.reference_payments.stream import stream


def test_the_reference_payments_never_change() -> None:
    plan = GeneratorPlan(START_MS, seed=1, accounts=2_000, fraud_share=0.01)
    digest = sha256()
    for batch in stream(plan, 20_000):
        digest.update(msgspec.json.Encoder().encode_lines(batch.payments))
        digest.update(repr(batch.typologies).encode())
    assert digest.hexdigest()[:32] == "7d2b5876d2c0a5826ff2dbf929561e43"
