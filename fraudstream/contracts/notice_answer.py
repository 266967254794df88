"""A customer's answer to a notice; topic `notice-answers`, keyed by `account_id`, in its `answer_partition`."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.case_notices import NoticeId, NoticeReply
from fraudstream.contracts.fields import Identifier, Moment


class NoticeAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`answer_id`: idempotency key of the sender. `reply`: `me` if the customer made the payment, else `not_me`.

    `answered_at`: when the customer answered. The first answer to a notice counts.
    """

    answer_id: Identifier
    notice_id: NoticeId
    account_id: Identifier
    reply: NoticeReply
    answered_at: Moment
    schema_version: int = 1
