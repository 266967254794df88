"""A notice: asks a customer whether a payment was theirs; topic `notices`, keyed by `account_id`.

Its value can be shown to the customer as it is. It holds no reason of an alert, no case and no whole account number:
the record's key alone names the account, for the bank's app to find its customer.
"""

from __future__ import annotations

import msgspec

from fraudstream.contracts.case_notices import NoticeId
from fraudstream.contracts.fields import AmountText, Channel, CurrencyCode, Identifier


class NoticePayment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the customer is told of the payment. `occurred_at_ms`: ms since the epoch, UTC."""

    occurred_at_ms: int
    amount: AmountText
    currency: CurrencyCode
    merchant_id: Identifier | None = None
    channel: Channel | None = None


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """`notice_id`: to be named by the answer; whoever knows it can answer. A notice that comes twice has the same id.

    `account`: the account's id with its end alone. An answer counts until `expires_at_ms`, ms since the epoch, UTC, and
    goes to the partition `answer_partition` of `notice-answers`.
    """

    notice_id: NoticeId
    account: str
    payment: NoticePayment
    asked_at_ms: int
    expires_at_ms: int
    answer_partition: int
    schema_version: int = 1
