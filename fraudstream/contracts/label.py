"""A label: what a payment turned out to be. Published to the `payments` topic with the header `type: label`.

Keyed by `account_id`, so that it is in the same partition as the account's payments.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from fraudstream.contracts.fields import Channel, Identifier, LabelName, Moment


class Label(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`event_id` identifies the payment, which is one of the account. Its other entities are found by it. They may be
    repeated here, for a payment that is too old to be found.

    `labelled_at`: the newest of a payment's labels counts, in whatever order they arrive; of equal times, the one
    published last. It can't be in the future. `payment_occurred_at`: event time of the payment, if known; it speeds up
    the lookup. A label whose payment is too old or unknown has no effect and is counted. `source`: origin of the
    label, for example 'chargeback', 'customer', or a case id. `confidence`: how sure the source is, 0 to 1; evaluations
    report it, and every label counts alike.
    """

    event_id: Identifier
    account_id: Identifier
    label: LabelName
    labelled_at: Moment
    schema_version: int = 1
    payment_occurred_at: Moment | None = None
    merchant_id: Identifier | None = None
    terminal_id: Identifier | None = None
    counterparty_id: Identifier | None = None
    device_id: Identifier | None = None
    partner_id: Identifier | None = None
    channel: Channel | None = None
    source: Identifier | None = None
    confidence: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] | None = None
