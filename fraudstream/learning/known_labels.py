"""The payments before a moment with the labels that were known at it: what a model may learn from on that day.

time      1 ──── 2 ──── 3 ──── 4 ──── 5        delay 2, until 4
payments  p1     p2     p3     ─      ─        read: those before 4
labels    L1     L2     ─                      known at 4: those of p1 and p2
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from fraudstream.backtest.label_order import Events, LabelledPayments
from fraudstream.contracts import Label, Payment
from fraudstream.engine.arrays import Int8Array, Int64Array
from fraudstream.engine.columns import time_ms

Names = Mapping[tuple[str, str], int]  # by account_id and event_id: 1 fraud, 0 genuine


class KnownPayments(NamedTuple):
    """A batch of payments, as `LabelledPayments`, with the labels that were known."""

    payments: list[Payment]
    occurred_at_ms: Int64Array
    labels: Int8Array


def known_by(
    batches: Iterable[LabelledPayments | Events], until_ms: int, delay_ms: int, given: Names
) -> Iterator[KnownPayments | Events]:
    """The payments before `until_ms`; a label that came later is -1, as if there were none.

    `delay_ms`: from a payment to its label, where labels come with the payments. `given`: the labels of a file that
    has labels of its own, as `labels_given` finds them.
    """
    for batch in batches:
        if isinstance(batch, Events):
            keep = int(np.searchsorted(batch.at_ms, until_ms, side="left"))
            events = batch.events[:keep]
            known = [given.get((event.account_id, event.event_id), -1) for event in events]
            labels = np.array(
                [label if type(event) is Payment else -1 for event, label in zip(events, known, strict=True)], np.int8
            )
            yield Events(events, batch.at_ms[:keep], labels)
            whole = keep == len(batch.events)
        else:
            times = batch.occurred_at_ms
            keep = int(np.searchsorted(times, until_ms, side="left"))
            known_too_late = times[:keep] + delay_ms > until_ms
            labels = np.where(known_too_late, -1, batch.labels[:keep]).astype(np.int8)
            yield KnownPayments(batch.payments[:keep], times[:keep], labels)
            whole = keep == len(times)
        if not whole:
            return


def labels_given(batches: Iterable[LabelledPayments | Events], until_ms: int) -> dict[tuple[str, str], int]:
    """What the label events of a file said until `until_ms`; the newest counts. Empty where labels are a column."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for batch in batches:
        if not isinstance(batch, Events):
            return {}
        for event in batch.events:
            if isinstance(event, Label) and (at_ms := time_ms(event.labelled_at)) <= until_ms:
                name = (event.account_id, event.event_id)
                said = (at_ms, int(event.label == "fraud"))
                if said[0] >= found.get(name, said)[0]:
                    found[name] = said
    return {name: fraud for name, (_, fraud) in found.items()}
