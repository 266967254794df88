"""The notices of a case: questions to its customer about a payment, and what became of each."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fraudstream.contracts.fields import Identifier

NoticeId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="128 random bits, hexadecimal.")]
NoticeReply = Literal["me", "not_me"]
NoticeState = Literal["open", "answered", "expired", "withdrawn"]


class CaseNotice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A notice about the payment `event_id`, as its case keeps it.

    `digest`: SHA-256 of the notice's id, hexadecimal: the id itself is known to who answers alone. `state`: open until
    it is answered, `expires_at_ms` has passed, or the case is closed. `reply`, `answer_id`, `answered_at_ms`: of the
    answer. Times are ms since the epoch, UTC.
    """

    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    event_id: Identifier
    asked_by: Identifier
    asked_at_ms: int
    expires_at_ms: int
    state: NoticeState = "open"
    reply: NoticeReply | None = None
    answer_id: Identifier | None = None
    answered_at_ms: int | None = None
