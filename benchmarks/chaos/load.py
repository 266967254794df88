"""The records that a run publishes: generated payments with fraud, and the irregularities of a real log.

Labels follow later, half of them on the labels topic; some payments are repeated, late or reordered; some records are
invalid. Everything is determined by the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from benchmarks.reference_payments.plan import GeneratorPlan
from benchmarks.reference_payments.stream import stream
from fraudstream.contracts import Label, Payment

START_MS: Final = 1_735_689_600_000  # 2025-01-01
LABELLED_SHARE: Final = 0.01  # of genuine payments; all frauds are labelled
LABEL_AFTER: Final = (1_000, 40_000)  # payments between a payment and its label
REPEATED_SHARE: Final = 0.01
REPEAT_AFTER: Final = (1, 20_000)
LATE_SHARE: Final = 0.003
LATE_BY: Final = (5_000, 60_000)
SHUFFLED_SHARE: Final = 0.2
SHUFFLED_WITHIN: Final = 64
INVALID_SHARE: Final = 0.001
LABEL_HEADERS: Final = (("type", b"label"),)

_encode = msgspec.json.Encoder().encode


class Item(NamedTuple):
    """A record to publish. `key` None: the partitioner chooses a partition."""

    topic: Literal["payments", "labels"]
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def load(seed: int, payments: int, accounts: int) -> list[Item]:
    """The records of a run in order: `payments` generated payments, plus the others described above."""
    rng = np.random.Generator(np.random.PCG64(seed))
    placed: list[tuple[float, Item]] = []  # (position in the order, record)
    scale = min(1.0, payments / LATE_BY[1] / 2)  # scale distances down in short runs

    def later(index: int, after: tuple[int, int]) -> float:
        return index + scale * float(rng.integers(*after)) + 0.5

    for index, (payment, fraud) in enumerate(_generated(seed, payments, accounts)):
        item = Item("payments", payment.account_id.encode(), _encode(payment))
        draws = rng.random(5)
        at = later(index, LATE_BY) if draws[0] < LATE_SHARE else float(index)
        at += float(rng.integers(SHUFFLED_WITHIN)) if draws[1] < SHUFFLED_SHARE else 0.0
        placed.append((at, item))
        if draws[2] < REPEATED_SHARE:
            placed.append((later(index, REPEAT_AFTER), item))
        if fraud or draws[3] < LABELLED_SHARE:
            placed.append((later(index, LABEL_AFTER), _label(payment, fraud, own_topic=index % 2 == 0)))
        if draws[4] < INVALID_SHARE:
            placed.append((index, _INVALID[int(rng.integers(len(_INVALID)))](payment)))
    placed.sort(key=lambda pair: pair[0])
    return [item for _, item in placed]


def _generated(seed: int, payments: int, accounts: int) -> Iterator[tuple[Payment, bool]]:
    for batch in stream(GeneratorPlan(start_ms=START_MS, seed=seed, accounts=accounts, fraud_share=0.01), payments):
        for payment, label in zip(batch.payments, batch.labels.tolist(), strict=True):
            yield payment, label == 1


def _label(payment: Payment, fraud: bool, own_topic: bool) -> Item:
    label = Label(
        event_id=payment.event_id,
        account_id=payment.account_id,
        label="fraud" if fraud else "genuine",
        labelled_at=payment.occurred_at,
        payment_occurred_at=payment.occurred_at,
        merchant_id=payment.merchant_id,
        counterparty_id=payment.counterparty_id,
        device_id=payment.device_id,
        source="chaos",
    )
    if own_topic:
        return Item("labels", label.account_id.encode(), _encode(label))
    return Item("payments", label.account_id.encode(), _encode(label), LABEL_HEADERS)


def _damaged(damage: Callable[[bytes], bytes | None]) -> Callable[[Payment], Item]:
    return lambda payment: Item("payments", payment.account_id.encode(), damage(_encode(payment)))


_INVALID: Final[tuple[Callable[[Payment], Item], ...]] = (
    _damaged(lambda value: b"\xff\xfe not json"),
    _damaged(lambda value: value[: len(value) // 2]),
    _damaged(lambda value: b"{}"),
    _damaged(lambda value: None),
    _damaged(lambda value: value.replace(b'"currency":"', b'"currency":"?')),
    lambda payment: Item("payments", b"another account", _encode(payment)),
    lambda payment: Item("payments", None, _encode(payment)),
    lambda payment: Item("payments", payment.account_id.encode(), _encode(payment), LABEL_HEADERS),
    lambda payment: Item(
        "payments",
        payment.account_id.encode(),
        _encode(msgspec.structs.replace(payment, occurred_at=4_102_444_800_000)),  # 2100
    ),
)
