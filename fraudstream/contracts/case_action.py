"""A case action: what an analyst did to a case, on the topic `case-actions`.

Keyed by `account_id` and published to the partition number of `cases` that holds the case, so that one processor
receives both the actions and the alerts of an account.
"""

from __future__ import annotations

import msgspec

from fraudstream.contracts.case import ActionName, Disposition
from fraudstream.contracts.fields import Identifier, Moment, Text


class CaseAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """`action_id`: idempotency key. Action `close` requires `disposition`, action `note` requires `note`."""

    action_id: Identifier
    case_id: Identifier
    account_id: Identifier
    action: ActionName
    actor: Identifier
    acted_at: Moment
    disposition: Disposition | None = None
    note: Text | None = None
    schema_version: int = 1

    def __post_init__(self) -> None:
        if self.action == "close" and self.disposition is None:
            raise ValueError("Action 'close' requires field `disposition`")
        if self.action == "note" and not self.note:
            raise ValueError("Action 'note' requires field `note`")
