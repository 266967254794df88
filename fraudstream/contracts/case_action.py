"""A case action: what an analyst did to a case, on the topic `case-actions`, keyed by `account_id` so that it meets the account's alerts."""

from __future__ import annotations

from typing import Literal

import msgspec

from fraudstream.contracts.case import Disposition
from fraudstream.contracts.fields import Identifier, Moment, Text

ActionName = Literal["claim", "release", "note", "close", "reopen"]


class CaseAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """`action_id` makes a repeat harmless. `disposition` is required by `close`, `note` by `note`."""

    action_id: Identifier
    case_id: Identifier
    account_id: Identifier
    action: ActionName
    actor: Identifier
    acted_at: Moment
    disposition: Disposition | None = None
    note: Text | None = None
    schema_version: int = 1
