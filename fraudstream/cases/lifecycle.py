"""The life of a case: what each action of an analyst makes of it. Pure functions.

`transitions` says which actions a status allows and which status follows, `refusal` why an action is not allowed. An
action that is not allowed is rejected with a code and a sentence, and changes nothing. An alert never reopens a closed
case: it opens a new one.
"""

from __future__ import annotations

from msgspec.structs import replace

from fraudstream.cases.refusal import RejectedAction, acted_at_ms, notes_after, rejected
from fraudstream.cases.transitions import STATUS_AFTER
from fraudstream.contracts import Case, CaseAction


def acted_on(case: Case, action: CaseAction, other_open: str | None) -> Case | RejectedAction:
    """The case after the action, or why the action is rejected. `other_open`: id of another case of the account that is
    not closed, if there is one."""
    refusal = rejected(case, action, other_open)
    if refusal is not None:
        return refusal
    status = STATUS_AFTER[action.action][case.status]
    after = replace(
        case,
        status=status,
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, acted_at_ms(action)),
        notes=notes_after(case, action),
        waiting_for=case.waiting_for if status == "waiting" else None,
    )
    match action.action:
        case "claim":
            return replace(after, assignee=action.actor)
        case "assign":
            return replace(after, assignee=action.assignee)
        case "wait":
            return replace(after, waiting_for=action.waiting_for)
        case "escalate":
            return replace(after, assignee=None, escalated_to=action.escalate_to)
        case "release":
            return replace(after, assignee=None, escalated_to=None)
        case "link":
            assert action.other_case_id is not None, "the contract requires it"
            return replace(after, links=(*case.links, action.other_case_id))
        case "unlink":
            return replace(after, links=tuple(each for each in case.links if each != action.other_case_id))
        case "close":
            return _closed(after, action)
        case "reopen":
            return _reopened(after)
        case "start" | "resume" | "note":
            return after


def _closed(case: Case, action: CaseAction) -> Case:
    return replace(
        case,
        disposition=action.disposition,
        typology=action.typology if action.disposition == "confirmed_fraud" else None,
        closed_by=action.actor,
        closed_at_ms=acted_at_ms(action),
    )


def _reopened(case: Case) -> Case:
    return replace(
        case, assignee=None, escalated_to=None, disposition=None, typology=None, closed_by=None, closed_at_ms=None
    )
