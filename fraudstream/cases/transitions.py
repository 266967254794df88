"""Which actions a case allows in each status, and the status that follows: the one table of the life of a case.

The pages, the command line, the documentation and the tests take it from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fraudstream.contracts.case_values import ActionName, CaseStatus

_SAME: Final[dict[CaseStatus, CaseStatus]] = {
    "new": "new",
    "assigned": "assigned",
    "in_review": "in_review",
    "waiting": "waiting",
    "escalated": "escalated",
}

STATUS_AFTER: Final[Mapping[ActionName, Mapping[CaseStatus, CaseStatus]]] = {
    "assign": {**_SAME, "new": "assigned", "in_review": "assigned", "escalated": "assigned"},
    "claim": {"new": "in_review", "assigned": "in_review", "escalated": "in_review"},
    "start": {"assigned": "in_review"},
    "wait": {"in_review": "waiting"},
    "ask": {"in_review": "waiting"},
    "resume": {"waiting": "in_review"},
    "escalate": {"new": "escalated", "assigned": "escalated", "in_review": "escalated", "waiting": "escalated"},
    "release": {"assigned": "new", "in_review": "new", "waiting": "new", "escalated": "new"},
    "note": _SAME,
    "snooze": _SAME,
    "wake": _SAME,
    "link": _SAME,
    "unlink": _SAME,
    "tag": _SAME,
    "untag": _SAME,
    "attach": _SAME,
    "detach": _SAME,
    "merge": dict.fromkeys(_SAME, "closed"),
    "split": _SAME,
    "close": dict.fromkeys(_SAME, "closed"),
    "approve": dict.fromkeys(_SAME, "closed"),
    "reject": _SAME,
    "reopen": {"closed": "new"},
}

# What only the assignee may do, if the case has one. Anybody may assign, escalate and release, so that the case of an
# absent colleague is not blocked.
BY_ASSIGNEE: Final[frozenset[ActionName]] = frozenset(
    ("claim", "start", "wait", "ask", "resume", "snooze", "merge", "split", "close")
)

# What is possible while a closing is proposed: it is to be decided on first.
WHILE_PROPOSED: Final[frozenset[ActionName]] = frozenset(
    ("note", "link", "unlink", "tag", "untag", "attach", "approve", "reject")
)


def actions_in(status: CaseStatus) -> list[ActionName]:
    """The actions that a case in `status` may allow, in the order of the table.

    >>> actions_in("closed")
    ['reopen']
    """
    return [name for name, after in STATUS_AFTER.items() if status in after]
