"""The case agent's answer to a case action, on the topic `case-answers`: accepted, or refused with a reason.

Keyed by `account_id`, in the partition with the number of the action's.
"""

from __future__ import annotations

import msgspec

from fraudstream.contracts.case import Case
from fraudstream.contracts.case_values import SentAction
from fraudstream.contracts.fields import Identifier


class CaseAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the action `action_id`.

    `version`: of the case after the action, if it was accepted. `code`, `sentence`: why it was refused, for programs
    and for the analyst. `case`: as the agent had it when it answered; absent if it has no such case. A repeated action
    that was accepted is answered again, with the version that it led to.
    """

    action_id: Identifier
    case_id: Identifier
    account_id: Identifier
    action: SentAction
    accepted: bool
    version: int | None = None
    code: str | None = None
    sentence: str | None = None
    case: Case | None = None
    schema_version: int = 1
