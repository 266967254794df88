"""A label: what a payment turned out to be. It travels in the `payments` log with the header `type: label`.

Keyed by `account_id`, so that it meets the account's payments.
"""

from __future__ import annotations

import msgspec

from fraudstream.contracts.fields import Channel, Identifier, LabelName, Moment


class Label(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`event_id` names the payment; the entities it touched may be repeated here, so that their state learns of it too.

    `payment_occurred_at`: when the payment took place, if known; it makes the payment quicker to find. A label whose
    payment is no longer held changes nothing and is counted. `source`: who says so, for example 'chargeback',
    'customer', or the case it came from.
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
