"""The columns of a batch of payments as matrices that compiled code reads and writes: one `Frame` a batch.

The scanner (`engine.scan`) writes what it reads from plain records straight into a frame; what is not plain is decoded
by msgspec, checked by `columns`, and copied into the same rows. Kernel, rules and score (`engine.program`) read the
frame whatever filled it, so both ways give the same verdicts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fraudstream.engine.arrays import Float64Array, Int8Array, Int64Array, UInt16Array, UInt64Array


class FrameLayout(NamedTuple):
    """Which row of a frame holds what, for one engine; a row for each name.

    `numbers`: rows of `Frame.number`: features of all entities first, in the order of the plans, then derived features,
    number fields of the payment (`amount`, `hour`, `weekday`, `balance_before`, `lat`, …) and its flag
    (`card_present`), declared attributes that are numbers or flags (`attributes.…`), lists (`lists.…`), and the values
    of the parts of an evidence score. `texts`: rows of `Frame.digest`: `event_id` first, then text fields, declared
    attributes that are texts, and text features. `spans`: rows of `Frame.text_at`: text fields whose bytes are needed:
    `event_id`, `account_id`, the keys of entities, fields that are looked up in lists. Only what is read is in it.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    spans: tuple[str, ...]


class Frame(NamedTuple):
    """The columns of `n` payments, in the order of the log. Arrays have shape (n,) unless noted.

    `number`: float64, shape (len(layout.numbers), n), NaN missing; a flag is 1, 0 or NaN; money in minor units.
    `digest`: uint64, shape (len(layout.texts), n); 0 missing. `occurred_at_ms`: ms since the epoch, UTC.
    `amount_minor`: minor units. `currency`: number of the currency, never 0; of converted amounts, that of the base.
    `minor_per_major`: minor units in one major unit of it. `relation`: `kernel_types.UNRELATED`, `REVERSAL` or
    `CAPTURE`. `original`: digest of `relates_to` of such a one, else 0. `published`: how a converted amount was
    published, see `published_amount`. `text_at`, `text_length`: shape (len(layout.spans), n): where the UTF-8 bytes of
    the text are in the buffer that goes with the frame, and how many; length 0 missing.
    """

    number: Float64Array
    digest: UInt64Array
    occurred_at_ms: Int64Array
    amount_minor: Int64Array
    currency: UInt16Array
    minor_per_major: Float64Array
    relation: Int8Array
    original: UInt64Array
    published: UInt64Array
    text_at: Int64Array
    text_length: Int64Array


def new_frame(layout: FrameLayout, n: int) -> Frame:
    """A frame for `n` payments that are not converted; the rest of its content is undefined."""
    return Frame(
        number=np.empty((len(layout.numbers), n), np.float64),
        digest=np.empty((len(layout.texts), n), np.uint64),
        occurred_at_ms=np.empty(n, np.int64),
        amount_minor=np.empty(n, np.int64),
        currency=np.empty(n, np.uint16),
        minor_per_major=np.empty(n, np.float64),
        relation=np.empty(n, np.int8),
        original=np.empty(n, np.uint64),
        published=np.zeros(n, np.uint64),
        text_at=np.empty((len(layout.spans), n), np.int64),
        text_length=np.empty((len(layout.spans), n), np.int64),
    )
