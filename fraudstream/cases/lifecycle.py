"""The life cycle of a case: which actions an analyst may take, and when. Pure functions.

    open ── claim ──► claimed          note: any case that is not closed
     ▲  ◄─ release ──    │             close: an open case by anybody, a claimed one by its assignee, with a disposition
     │                   │             release: by anybody, so that an absent colleague's case can be worked on
     ├──── close ────────┤             reopen: a closed case, unless its account has an open one by now
     │                   ▼
     └──── reopen ──── closed          an alert never reopens a closed case: it opens a new one

An action that is not allowed is rejected with a code and a sentence, and changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from fraudstream.contracts import Case, CaseAction, CaseNote, Label

RefusalCode = Literal[
    "unknown_case",  # the partition has no such case
    "wrong_account",  # the case is another account's
    "closed",  # the case is closed
    "not_closed",  # reopen: the case is not closed
    "not_claimed",  # release: the case is not claimed
    "claimed_by_other",  # claim, close: the case is claimed by someone else
    "already_claimed",  # claim: the actor has claimed the case
    "other_case_open",  # reopen: the account has an open case
    "acted_at",  # outside 1970 to 2199
    "notes_full",  # the case cannot hold another note of this length
]

NOTES_BYTES_MAX: Final = 192 * 1024  # as JSON, so that a case stays below 1 MB, the largest Kafka record
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


def acted_on(case: Case, action: CaseAction, other_open: str | None) -> Case | RejectedAction:
    """The case after the action, or why the action is rejected. `other_open`: id of another case of the account that is
    not closed, if there is one."""
    rejected = _rejected(case, action, other_open)
    if rejected is not None:
        return rejected
    after = replace(
        case,
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, acted_at_ms(action)),
        notes=_notes_after(case, action),
    )
    match action.action:
        case "claim":
            return replace(after, status="claimed", assignee=action.actor)
        case "release":
            return replace(after, status="open", assignee=None)
        case "note":
            return after
        case "close":
            return replace(
                after,
                status="closed",
                disposition=action.disposition,
                closed_by=action.actor,
                closed_at_ms=acted_at_ms(action),
            )
        case "reopen":
            return replace(after, status="open", assignee=None, disposition=None, closed_by=None, closed_at_ms=None)


def _notes_after(case: Case, action: CaseAction) -> tuple[CaseNote, ...]:
    """The case's notes, and that of the action if it has one."""
    if not action.note:
        return case.notes
    return (*case.notes, CaseNote(acted_at_ms(action), action.actor, action.action, action.note))


def _rejected(case: Case, action: CaseAction, other_open: str | None) -> RejectedAction | None:
    """Why the action is not allowed now; None if it is."""
    about = f"case {case.case_id}"
    if action.account_id != case.account_id:
        return RejectedAction(
            "wrong_account", f"{about} belongs to account {case.account_id}, not to {action.account_id}."
        )
    if not 0 <= acted_at_ms(action) < ACTED_AT_MS_END:
        return RejectedAction("acted_at", f"{about}: acted_at {action.acted_at} is outside 1970 to 2199.")
    if case.status == "closed" and action.action != "reopen":
        return RejectedAction(
            "closed", f"{about} is closed ({case.disposition}): reopen it first to {action.action} it."
        )
    if len(msgspec.json.encode(_notes_after(case, action))) > NOTES_BYTES_MAX:
        return RejectedAction(
            "notes_full",
            f"{about}: its {len(case.notes)} notes leave no room for this one: shorten it or leave it out.",
        )
    held_by_other = case.status == "claimed" and case.assignee != action.actor
    match action.action:
        case "claim" if held_by_other:
            return RejectedAction("claimed_by_other", f"{about} is claimed by {case.assignee}: release it first.")
        case "claim" if case.status == "claimed":
            return RejectedAction("already_claimed", f"{about} is already claimed by {action.actor}.")
        case "release" if case.status != "claimed":
            return RejectedAction("not_claimed", f"{about} is not claimed.")
        case "close" if held_by_other:
            return RejectedAction("claimed_by_other", f"{about} is claimed by {case.assignee}: only they can close it.")
        case "reopen" if case.status != "closed":
            return RejectedAction("not_closed", f"{about} is {case.status}, not closed.")
        case "reopen" if other_open is not None:
            return RejectedAction(
                "other_case_open", f"{about}: account {case.account_id} has the open case {other_open}."
            )
    return None


def labels_of(case: Case, action: CaseAction) -> list[Label]:
    """The labels that follow from closing: one for each alert that the case still lists, none if the disposition is
    inconclusive.

    `case`: before or after the action. The labels depend on the log alone, so writing them twice is harmless.
    """
    if action.action != "close" or action.disposition not in ("fraud", "genuine"):
        return []
    return [
        Label(
            event_id=line.event_id,
            account_id=case.account_id,
            label=action.disposition,
            labelled_at=acted_at_ms(action),
            payment_occurred_at=line.occurred_at_ms,
            source=case.case_id,
        )
        for line in case.alerts
    ]
