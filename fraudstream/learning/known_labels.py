"""The payments before a moment with the labels that were known at it: what a model may learn from on that day.

time      1 ──── 2 ──── 3 ──── 4 ──── 5        delay 2, until 4
payments  p1     p2     p3     ─      ─        read: those before 4
labels    L1     L2     ─                      known at 4: those of p1 and p2
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fraudstream.backtest.label_order import Events, LabelledPayments, due_ms, part_of
from fraudstream.contracts import Label, Payment
from fraudstream.engine.arrays import Int8Array, Int64Array
from fraudstream.engine.columns import time_ms

Names = Mapping[tuple[str, str], int]  # by account_id and event_id: 1 fraud, 0 genuine


class KnownLabels(NamedTuple):
    """What was known of payments at `until_ms`, ms since the epoch.

    `delay_ms`: from a payment to its label, where labels come with the payments and without times. `given`: the labels
    of a file that has labels of its own, as `labels_given` finds them; None where they come with the payments.
    """

    until_ms: int
    delay_ms: int
    given: Names | None = None

    def of(self, batch: Events) -> Int8Array:
        """The labels of n events that were known: 1 fraud, 0 genuine, -1 none; int8, shape (n,)."""
        if self.given is None:
            assert batch.due_ms is not None, "labels come with the payments"
            return np.where(batch.due_ms > self.until_ms, -1, batch.labels).astype(np.int8)
        named = self.given
        known = [named.get(_name(event), -1) if type(event) is Payment else -1 for event in batch.events]
        return np.array(known, np.int8)


class KnownPayments(NamedTuple):
    """A batch of payments, as `LabelledPayments`, with the labels that were known."""

    payments: list[Payment]
    occurred_at_ms: Int64Array
    labels: Int8Array
    labelled_at_ms: Int64Array | None


def known_by(batches: Iterable[LabelledPayments | Events], known: KnownLabels) -> Iterator[KnownPayments | Events]:
    """The payments before `known.until_ms`; a label that came later is -1, as if there were none."""
    for batch in batches:
        if isinstance(batch, Events):
            keep = _before(batch.at_ms, known.until_ms)
            before = part_of(batch, 0, keep)
            yield before._replace(labels=known.of(before))
        else:
            times, due = batch.occurred_at_ms, due_ms(batch, known.delay_ms)
            keep = _before(times, known.until_ms)
            before = Events([*batch.payments[:keep]], times[:keep], batch.labels[:keep], due[:keep])
            yield KnownPayments(batch.payments[:keep], before.at_ms, known.of(before), due[:keep])
        if keep < len(batch.labels):
            return


def _before(times: Int64Array, until_ms: int) -> int:
    """How many of rising times are before `until_ms`."""
    return int(np.searchsorted(times, until_ms, side="left"))


def labels_given(
    batches: Iterable[LabelledPayments | Events], moments: Sequence[int]
) -> list[dict[tuple[str, str], int]] | None:
    """What the label events of a file said until each of `moments`, ms since the epoch; the newest counts. None where
    labels come with the payments."""
    found: list[dict[tuple[str, str], tuple[int, int]]] = [{} for _ in moments]
    for batch in batches:
        if not isinstance(batch, Events):
            return None
        for event in batch.events:
            if isinstance(event, Label):
                said = (time_ms(event.labelled_at), int(event.label == "fraud"))
                for until_ms, told in zip(moments, found, strict=True):
                    if said[0] <= until_ms and said[0] >= told.get(_name(event), said)[0]:
                        told[_name(event)] = said
    return [{name: fraud for name, (_, fraud) in told.items()} for told in found]


def _name(event: Payment | Label) -> tuple[str, str]:
    return event.account_id, event.event_id
