"""Why a case does not allow an action: a code and a sentence. Pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from fraudstream.cases.transitions import BY_ASSIGNEE, STATUS_AFTER
from fraudstream.contracts import Case, CaseAction, CaseNote

RefusalCode = Literal[
    "unknown_case",  # the partition has no such case
    "wrong_account",  # the case is another account's
    "acted_at",  # outside 1970 to 2199
    "closed",  # the case is closed
    "not_closed",  # reopen: the case is not closed
    "assigned_to_other",  # the case has an assignee, who alone may do this
    "already_assigned",  # claim, assign: the case is theirs
    "wrong_status",  # the case's status does not allow the action
    "other_case_open",  # reopen: the account has a case that is not closed
    "same_case",  # link: to itself
    "already_linked",  # link
    "not_linked",  # unlink
    "links_full",  # link: the case has as many links as it can hold
    "notes_full",  # the case cannot hold another note of this length
    "changed",  # the case has another version than the analyst saw
]

NOTES_BYTES_MAX: Final = 192 * 1024  # as JSON, so that a case stays below 1 MB, the largest Kafka record
LINKS_MAX: Final = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ACTED_AT_MS_END: Final = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class RejectedAction(NamedTuple):
    """Why an action was rejected. `code`: for programs; `sentence`: for the analyst."""

    code: RefusalCode
    sentence: str


def acted_at_ms(action: CaseAction) -> int:
    """When the analyst acted, ms since the epoch, UTC, as stated by the action."""
    moment = action.acted_at
    return moment if isinstance(moment, int) else (moment - _EPOCH) // timedelta(milliseconds=1)


def notes_after(case: Case, action: CaseAction) -> tuple[CaseNote, ...]:
    """The case's notes, and that of the action if it has one."""
    if not action.note:
        return case.notes
    return (*case.notes, CaseNote(acted_at_ms(action), action.actor, action.action, action.note))


def rejected(case: Case, action: CaseAction, other_open: str | None) -> RejectedAction | None:
    """Why the action is not allowed now; None if it is. `other_open`: id of another case of the account that is not
    closed, if there is one.

    What the case would not allow in any version is told before that it has changed: it tells the analyst more.
    """
    about = f"case {case.case_id}"
    if action.account_id != case.account_id:
        return RejectedAction(
            "wrong_account", f"{about} belongs to account {case.account_id}, not to {action.account_id}."
        )
    if not 0 <= acted_at_ms(action) < ACTED_AT_MS_END:
        return RejectedAction("acted_at", f"{about}: acted_at {action.acted_at} is outside 1970 to 2199.")
    if (refusal := _by_status(case, action, about) or _by_links(case, action, about)) is not None:
        return refusal
    if action.action == "reopen" and other_open is not None:
        return RejectedAction(
            "other_case_open", f"{about}: account {case.account_id} has the case {other_open}, which is not closed."
        )
    if len(msgspec.json.encode(notes_after(case, action))) > NOTES_BYTES_MAX:
        return RejectedAction(
            "notes_full",
            f"{about}: its {len(case.notes)} notes leave no room for this one: shorten it or leave it out.",
        )
    if action.expected_version not in (None, case.version):
        return RejectedAction(
            "changed",
            f"{about} has changed: it is at version {case.version}, not {action.expected_version}. Look at it again.",
        )
    return None


def _by_status(case: Case, action: CaseAction, about: str) -> RejectedAction | None:
    """Why the status or the assignee does not allow it."""
    name = action.action
    if case.status == "closed" and name != "reopen":
        return RejectedAction("closed", f"{about} is closed ({case.disposition}): reopen it first to {name} it.")
    if case.status != "closed" and name == "reopen":
        return RejectedAction("not_closed", f"{about} is {case.status}, not closed.")
    is_held = case.assignee is not None and case.status != "closed"
    if name in BY_ASSIGNEE and is_held and case.assignee != action.actor:
        return RejectedAction(
            "assigned_to_other",
            f"{about} is assigned to {case.assignee}: only they can {name} it. Assign or release it first.",
        )
    whose = {"claim": action.actor, "assign": action.assignee}.get(name)
    if is_held and case.assignee == whose and (name == "assign" or case.status not in STATUS_AFTER["claim"]):
        return RejectedAction("already_assigned", f"{about} is already assigned to {whose}.")
    if case.status not in STATUS_AFTER[name]:
        return RejectedAction("wrong_status", f"{about} is {case.status}: {name} is not possible then.")
    return None


def _by_links(case: Case, action: CaseAction, about: str) -> RejectedAction | None:
    """Why the case's links do not allow it."""
    other = action.other_case_id
    match action.action:
        case "link" if other == case.case_id:
            return RejectedAction("same_case", f"{about} cannot be linked to itself.")
        case "link" if other in case.links:
            return RejectedAction("already_linked", f"{about} is already linked to {other}.")
        case "link" if len(case.links) >= LINKS_MAX:
            return RejectedAction("links_full", f"{about} has {LINKS_MAX} links: remove one first.")
        case "unlink" if other not in case.links:
            return RejectedAction("not_linked", f"{about} is not linked to {other}.")
    return None
