"""A payment: the event that a payment system publishes to the `payments` topic, keyed by `account_id`."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.fields import (
    AmountText,
    Attributes,
    BalanceText,
    Bic,
    Channel,
    CountryCode,
    CurrencyCode,
    Direction,
    Identifier,
    Kind,
    Latitude,
    Longitude,
    MccCode,
    Moment,
)


class Payment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One debit or credit of an account, as reported by its payment system.

    Only the first six fields are required. `direction` is seen from `account_id`. `amount` and balances are decimal
    strings in major units of `currency`; a balance is negative when the account is overdrawn. `attributes` holds
    fields that a bank adds; features and rules can use them if the feature catalogue declares their types.
    `relates_to`: `event_id` of an earlier payment of the account. With the kind `reversal`, `amount` of it is taken
    back; with `capture`, `amount` replaces its amount. These two need it, and the keys of that payment's other
    entities.
    """

    event_id: Identifier
    occurred_at: Moment
    account_id: Identifier
    amount: AmountText
    currency: CurrencyCode
    direction: Direction
    schema_version: int = 1
    kind: Kind | None = None
    channel: Channel | None = None
    partner_id: Identifier | None = None
    merchant_id: Identifier | None = None
    mcc: MccCode | None = None
    terminal_id: Identifier | None = None
    counterparty_id: Identifier | None = None
    counterparty_bank: Bic | None = None
    device_id: Identifier | None = None
    ip: Identifier | None = None
    country: CountryCode | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    card_present: bool | None = None
    balance_before: BalanceText | None = None
    balance_after: BalanceText | None = None
    attributes: Attributes | None = None
    relates_to: Identifier | None = None
