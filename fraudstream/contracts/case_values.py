"""The values that fields of cases and of actions on them may have, and those that they had in earlier records.

A record that holds a former value is still read: `present_status` and `present_disposition` give the value of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, get_args

CaseStatus = Literal["new", "assigned", "in_review", "waiting", "escalated", "closed"]
ActionName = Literal[
    "assign",
    "claim",
    "start",
    "wait",
    "ask",
    "resume",
    "escalate",
    "release",
    "note",
    "snooze",
    "wake",
    "link",
    "unlink",
    "tag",
    "untag",
    "attach",
    "detach",
    "merge",
    "split",
    "close",
    "approve",
    "reject",
    "reopen",
]
# `open`: makes a case without an alert. `expire`: the case agent's own, when a timer is due. `erase`: removes the case.
SentAction = Literal[ActionName, "open", "expire", "erase"]
RecordedAction = Literal[SentAction, "answer"]  # `answer`: the customer's, to a notice
Disposition = Literal["confirmed_fraud", "false_positive", "genuine_but_risky", "inconclusive"]
WaitingFor = Literal["customer", "partner"]

FORMER_STATUSES: Final[Mapping[str, CaseStatus]] = {"open": "new", "claimed": "in_review"}
FORMER_DISPOSITIONS: Final[Mapping[str, Disposition]] = {"fraud": "confirmed_fraud", "genuine": "false_positive"}

# Decoders take former values too, and the structs replace them at once: so the rest of the program sees those of today.
if TYPE_CHECKING:
    StoredStatus: TypeAlias = CaseStatus
    StoredDisposition: TypeAlias = Disposition
else:
    StoredStatus = Literal[(*get_args(CaseStatus), *FORMER_STATUSES)]
    StoredDisposition = Literal[(*get_args(Disposition), *FORMER_DISPOSITIONS)]


def present_status(value: str) -> CaseStatus:
    """The status of today for one that a record holds.

    >>> present_status("claimed"), present_status("closed")
    ('in_review', 'closed')
    """
    return FORMER_STATUSES.get(value, cast(CaseStatus, value))


def present_disposition(value: str) -> Disposition:
    """The disposition of today for one that a record holds.

    >>> present_disposition("genuine"), present_disposition("inconclusive")
    ('false_positive', 'inconclusive')
    """
    return FORMER_DISPOSITIONS.get(value, cast(Disposition, value))
