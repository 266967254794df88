"""Finds the reversals and captures among payments and what they relate to, and checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np

from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.contracts.fields import Kind
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Int8Array, UInt64Array
from fraudstream.engine.digest import DigestKey, digest_column
from fraudstream.engine.kernel_types import CAPTURE, REVERSAL, UNRELATED

RELATIONS: Final[Mapping[Kind | None, int]] = {"reversal": REVERSAL, "capture": CAPTURE}

_PATH = "$.relates_to"
_MISSING = "A {} needs relates_to: the event_id of the payment that it relates to."
_ITSELF = "A {} needs an event_id of its own: relates_to names the payment that it relates to."


class Relations(NamedTuple):
    """Of n payments. `relation`: UNRELATED, REVERSAL or CAPTURE; int8, shape (n,). `original`: digest of the event_id
    in `relates_to`, 0 for an unrelated payment; uint64, shape (n,)."""

    relation: Int8Array
    original: UInt64Array


def related(payments: Sequence[Payment]) -> list[int]:
    """Indices of the reversals and captures."""
    if RELATIONS.keys().isdisjoint(map(attrgetter("kind"), payments)):  # the usual batch, without a loop in Python
        return []
    return [i for i, payment in enumerate(payments) if payment.kind in RELATIONS]


def relations_of(payments: Sequence[Payment], digest_key: DigestKey) -> Relations:
    """The relations of valid payments. `digest_key`: of their digests."""
    relation = np.full(len(payments), UNRELATED, np.int8)
    original = np.zeros(len(payments), np.uint64)
    if at := related(payments):
        relation[at] = [RELATIONS[payments[i].kind] for i in at]
        original[at] = digest_column([payments[i].relates_to for i in at], digest_key)
    return Relations(relation, original)


def check_relations(payments: Sequence[Payment], refuse: Callable[[int, ReasonCode, str, str], None]) -> None:
    """Call `refuse` with the index, reason, sentence and path of each reversal or capture that names no other payment.

    `relates_to` of another kind of payment is for the reader: it has no effect.
    """
    for i in related(payments):
        payment = payments[i]
        if payment.relates_to is None:
            refuse(i, "invalid", _MISSING.format(payment.kind), _PATH)
        elif payment.relates_to == payment.event_id:
            refuse(i, "invalid", _ITSELF.format(payment.kind), _PATH)
