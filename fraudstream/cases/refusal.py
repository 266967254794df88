"""Why a case does not allow an action: a code and a sentence. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from fraudstream.cases.timers import live_timers
from fraudstream.cases.transitions import BY_ASSIGNEE, STATUS_AFTER, WHILE_PROPOSED
from fraudstream.contracts import Case, CaseAction, CaseAlert, CaseNote
from fraudstream.contracts.case_timers import CaseTimer
from fraudstream.contracts.case_values import ActionName

RefusalCode = Literal[
    "unknown_case",  # the partition has no such case
    "case_id",  # open: not the id that follows from account and action
    "case_exists",  # open: there is a case with this id
    "wrong_account",  # the case is another account's
    "acted_at",  # outside 1970 to 2199
    "closed",  # the case is closed
    "merged",  # the case was merged into another one
    "not_closed",  # reopen: the case is not closed
    "assigned_to_other",  # the case has an assignee, who alone may do this
    "already_assigned",  # claim, assign: the case is theirs
    "wrong_status",  # the case's status does not allow the action
    "other_case_open",  # reopen, open: the account has a case that is not closed
    "proposed",  # a second person is to decide on a proposed closing first
    "not_proposed",  # approve, reject: nothing is proposed
    "same_person",  # approve, reject: they proposed it themselves
    "unknown_payment",  # ask: no listed alert of the case is about it
    "other_customer",  # ask: the payment is of another account, whose case was merged into this one
    "notice_open",  # ask: the customer has a notice that is not answered yet
    "notices_full",  # ask: the case has as many notices as it can hold
    "until",  # snooze, wait, ask: the time is not after that of the action
    "not_snoozed",  # wake
    "nobody_present",  # expire: everybody is absent to whom the queue could assign the case
    "not_due",  # expire: the case has no such timer now
    "same_case",  # link, merge: with itself
    "already_tagged",  # tag
    "not_tagged",  # untag
    "tags_full",  # tag: the case has as many tags as it can hold
    "already_attached",  # attach: the case has a file with these bytes
    "not_attached",  # detach
    "files_full",  # attach: the case has as many files as it can hold; merge: the files of both
    "unknown_other_case",  # merge: the partition has no such other case
    "other_closed",  # merge: the other case is closed
    "other_proposed",  # merge: a second person is to decide on the other case first
    "split_off",  # merge: of a case that was split off, with one of another account
    "too_many_alerts",  # merge: the other case could not list all of them
    "accounts_full",  # merge: the other case can hold no further account
    "unknown_alert",  # split: the case does not list it
    "nothing_left",  # split: all alerts
    "several_accounts",  # split: alerts of several accounts
    "already_linked",  # link
    "not_linked",  # unlink
    "links_full",  # link, split: the case has as many links as it can hold
    "notes_full",  # the case cannot hold another note of this length; merge: the notes of both
    "legal_hold",  # erase: the case is not closed, or is evidence of a confirmed fraud
    "changed",  # the case has another version than the analyst saw
]

NOTES_BYTES_MAX: Final = 192 * 1024  # as JSON, so that a case stays below 1 MB, the largest Kafka record
LINKS_MAX: Final = 50
TAGS_MAX: Final = 20
NOTICES_MAX: Final = 20
FILES_MAX: Final = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ACTED_AT_MS_END: Final = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class RejectedAction(NamedTuple):
    """Why an action was rejected. `code`: for programs; `sentence`: for the analyst."""

    code: RefusalCode
    sentence: str


def acted_at_ms(action: CaseAction) -> int:
    """When the analyst acted, ms since the epoch, UTC, as stated by the action."""
    return moment_ms(action.acted_at)


def until_ms(action: CaseAction) -> int | None:
    """Until when the case is to wait or to be put aside, ms since the epoch, UTC."""
    return None if action.until is None else moment_ms(action.until)


def notes_after(case: Case, action: CaseAction) -> tuple[CaseNote, ...]:
    """The case's notes, and that of the action if it has one."""
    if not action.note or action.action == "expire":
        return case.notes
    return (*case.notes, CaseNote(acted_at_ms(action), action.actor, action.action, action.note))


def own_alerts(case: Case) -> Iterator[CaseAlert]:
    """The listed alerts of the case's own account."""
    return (line for line in case.alerts if line.account_id is None)


def has_file(case: Case, sha256: str | None) -> bool:
    """Whether the case has a file with this digest."""
    return any(each.sha256 == sha256 for each in case.files)


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
    if action.action == "open":
        return RejectedAction("case_exists", f"{about} is open already.")
    if action.action == "expire":
        return _not_due(case, action, about)
    assert action.action != "erase", "erasure_rejected decides on it"
    refusal = _by_status(case, action, action.action, about) or _by_details(case, action, about)
    if refusal is not None:
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


def opening_rejected(action: CaseAction, case_id: str, other_open: str | None) -> RejectedAction | None:
    """Why a case is not opened by hand; None if it is. `case_id`: that it must have. `other_open`: the account's case
    that is not closed, if there is one."""
    if not 0 <= acted_at_ms(action) < ACTED_AT_MS_END:
        return RejectedAction("acted_at", f"acted_at {action.acted_at} is outside 1970 to 2199.")
    if action.case_id != case_id:
        return RejectedAction("case_id", f"the case must have the id {case_id}, which follows from account and action.")
    if other_open is not None:
        sentence = f"account {action.account_id} has the case {other_open}, which is not closed."
        return RejectedAction("other_case_open", sentence)
    return None


def erasure_rejected(action: CaseAction, case: Case | None, *, is_fraud: bool) -> RejectedAction | None:
    """Why a case is not erased; None if it is. `case`: as it is here, None if it is not. `is_fraud`: it was closed as a
    confirmed fraud. A note, the reason for an override, permits what is under legal hold."""
    about = f"case {action.case_id}"
    if case is not None and case.account_id != action.account_id:
        return RejectedAction("wrong_account", f"{about} does not belong to account {action.account_id}.")
    if action.note:
        return None
    if case is not None and case.status != "closed":
        return RejectedAction("legal_hold", f"{about} is {case.status}: close it first, or give a reason to erase it.")
    if is_fraud:
        sentence = f"{about} is evidence of a confirmed fraud until its retention ends: give a reason to erase it."
        return RejectedAction("legal_hold", sentence)
    return None


def timer_of(case: Case, action: CaseAction) -> CaseTimer | None:
    """The timer that an action `expire` is about, if it runs."""
    at_ms = acted_at_ms(action)
    return next((each for each in live_timers(case) if (each.name, each.due_at_ms) == (action.timer, at_ms)), None)


def moment_ms(moment: int | datetime) -> int:
    """A time of a contract, ms since the epoch, UTC."""
    return moment if isinstance(moment, int) else (moment - _EPOCH) // timedelta(milliseconds=1)


def _not_due(case: Case, action: CaseAction, about: str) -> RejectedAction | None:
    """Why the timer does not take effect: the case has moved on since."""
    if timer_of(case, action) is not None:
        return None
    return RejectedAction("not_due", f"{about} has no timer {action.timer} at {acted_at_ms(action)}.")


def _by_status(case: Case, action: CaseAction, name: ActionName, about: str) -> RejectedAction | None:
    """Why the status or the assignee does not allow it."""
    if case.merged_into is not None:
        return RejectedAction("merged", f"{about} was merged into case {case.merged_into}: work on that one.")
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
    if (refusal := _by_proposal(case, action, name, about)) is not None:
        return refusal
    if case.status not in STATUS_AFTER[name]:
        return RejectedAction("wrong_status", f"{about} is {case.status}: {name} is not possible then.")
    return None


def _by_proposal(case: Case, action: CaseAction, name: ActionName, about: str) -> RejectedAction | None:
    """Why the proposed closing of the case does not allow it."""
    if case.proposal is None:
        if name in ("approve", "reject"):
            return RejectedAction("not_proposed", f"{about}: nothing is proposed that could be decided on.")
        return None
    proposer = case.proposal.actor
    if name not in WHILE_PROPOSED:
        return RejectedAction(
            "proposed", f"{about}: {proposer} has proposed to close it: approve or reject that first."
        )
    if name in ("approve", "reject") and action.actor == proposer:
        return RejectedAction("same_person", f"{about}: {proposer} has proposed this: somebody else is to {name} it.")
    return None


def _by_details(case: Case, action: CaseAction, about: str) -> RejectedAction | None:
    """Why the case's links, its tags or its snooze do not allow it, or the time that the action names."""
    other, until = action.other_case_id, until_ms(action)
    match action.action:
        case "snooze" | "wait" | "ask" if until is not None and not acted_at_ms(action) < until < ACTED_AT_MS_END:
            return RejectedAction("until", f"{about}: until {action.until} is not a time after {action.acted_at}.")
        case "ask" if all(line.event_id != action.event_id for line in own_alerts(case)):
            if any(line.event_id == action.event_id for line in case.alerts):
                sentence = f"{about}: the payment {action.event_id} is another account's: split its alerts off first."
                return RejectedAction("other_customer", sentence)
            return RejectedAction("unknown_payment", f"{about} lists no alert of the payment {action.event_id}.")
        case "ask" if any(notice.state == "open" for notice in case.notices):
            return RejectedAction("notice_open", f"{about}: its customer has a notice that is not answered yet.")
        case "ask" if len(case.notices) >= NOTICES_MAX:
            return RejectedAction("notices_full", f"{about} has had {NOTICES_MAX} notices: it cannot hold another.")
        case "wake" if case.snooze is None:
            return RejectedAction("not_snoozed", f"{about} is not put aside.")
        case "tag" if action.tag in case.tags:
            return RejectedAction("already_tagged", f"{about} has the tag {action.tag} already.")
        case "tag" if len(case.tags) >= TAGS_MAX:
            return RejectedAction("tags_full", f"{about} has {TAGS_MAX} tags: remove one first.")
        case "untag" if action.tag not in case.tags:
            return RejectedAction("not_tagged", f"{about} has no tag {action.tag}.")
        case "attach" if action.file is not None and has_file(case, action.file.sha256):
            return RejectedAction("already_attached", f"{about} has this file already.")
        case "attach" if len(case.files) >= FILES_MAX:
            return RejectedAction("files_full", f"{about} has {FILES_MAX} files: remove one first.")
        case "detach" if not has_file(case, action.sha256):
            return RejectedAction("not_attached", f"{about} has no file with the digest {action.sha256}.")
        case "link" if other == case.case_id:
            return RejectedAction("same_case", f"{about} cannot be linked to itself.")
        case "link" if other in case.links:
            return RejectedAction("already_linked", f"{about} is already linked to {other}.")
        case "link" if len(case.links) >= LINKS_MAX:
            return RejectedAction("links_full", f"{about} has {LINKS_MAX} links: remove one first.")
        case "unlink" if other not in case.links:
            return RejectedAction("not_linked", f"{about} is not linked to {other}.")
    return None
