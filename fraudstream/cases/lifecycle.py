"""The life of a case: what each action of an analyst makes of it. Pure functions.

`transitions` says which actions a status allows and which status follows, `refusal` why an action is not allowed. An
action that is not allowed is rejected with a code and a sentence, and changes nothing. An alert never reopens a closed
case: it opens a new one. `merging` and `splitting` have the two actions that change two cases. `timers` says what
becomes of a case by itself.
"""

from __future__ import annotations

from msgspec.structs import replace

from fraudstream.cases.notices import asked, ended, wait_over
from fraudstream.cases.policy import NO_POLICY, CasePolicy
from fraudstream.cases.queueing import entered, to_assign
from fraudstream.cases.refusal import RejectedAction, acted_at_ms, notes_after, rejected, timer_of, until_ms
from fraudstream.cases.timers import acted, expired, paused, resumed, with_timer
from fraudstream.cases.transitions import STATUS_AFTER
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.contracts.case import CaseAssignment, CaseProposal
from fraudstream.contracts.case_timers import CaseSnooze
from fraudstream.contracts.case_values import ActionName


def acted_on(
    case: Case, action: CaseAction, other_open: str | None, policy: CasePolicy = NO_POLICY
) -> Case | RejectedAction:
    """The case after the action, or why the action is rejected. `other_open`: id of another case of the account that is
    not closed, if there is one."""
    refusal = rejected(case, action, other_open)
    if refusal is not None:
        return refusal
    after = replace(
        case,
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, acted_at_ms(action)),
        notes=notes_after(case, action),
    )
    if action.action == "expire":
        assert action.timer != "assignment", "who gets the case is for `assigned_by_queue`"
        timer = timer_of(case, action)
        assert timer is not None, "an expiry without a running timer is rejected"
        after = expired(after, timer)
        return wait_over(ended(after, "expired"), timer.due_at_ms) if timer.name == "notice_end" else after
    assert action.action != "open", "it is rejected where there is a case"
    assert action.action != "erase", "it leaves no case"
    if action.action == "close" and policy.needs_approval(case, action.disposition):
        return _proposed(acted(after), action)
    return _changed(_moved(acted(after), action, action.action), action, action.action, policy)


def assigned_by_queue(case: Case, action: CaseAction, given: CaseAssignment) -> Case:
    """The case after the timer `assignment`, which has given it to somebody."""
    return replace(
        with_timer(case, "assignment", None),
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, acted_at_ms(action)),
        status="assigned",
        assignee=given.analyst,
        assignment=given,
    )


def _moved(case: Case, action: CaseAction, name: ActionName) -> Case:
    """The case with its next status. The clock stands still while it waits."""
    status = STATUS_AFTER[name][case.status]
    if case.status == "waiting" and status != "waiting":
        case = resumed(replace(case, waiting_for=None), acted_at_ms(action))
    return replace(case, status=status)


def _changed(case: Case, action: CaseAction, name: ActionName, policy: CasePolicy) -> Case:
    """The case with what the action changes beside its status."""
    match name:
        case "claim":
            return replace(case, assignee=action.actor)
        case "assign":
            return replace(case, assignee=action.assignee)
        case "wait":
            waiting = replace(case, waiting_for=action.waiting_for)
            return with_timer(paused(waiting, acted_at_ms(action)), "waiting_end", until_ms(action))
        case "ask":
            return asked(case, action)
        case "escalate":
            return replace(case, assignee=None, escalated_to=action.escalate_to)
        case "release":
            return to_assign(replace(case, assignee=None, escalated_to=None), policy, acted_at_ms(action))
        case "snooze":
            return _snoozed(case, action)
        case "wake":
            return with_timer(replace(case, snooze=None), "snooze_end", None)
        case "link":
            assert action.other_case_id is not None, "the contract requires it"
            return replace(case, links=(*case.links, action.other_case_id))
        case "unlink":
            return replace(case, links=tuple(each for each in case.links if each != action.other_case_id))
        case "tag":
            assert action.tag is not None, "the contract requires it"
            return replace(case, tags=(*case.tags, action.tag))
        case "untag":
            return replace(case, tags=tuple(each for each in case.tags if each != action.tag))
        case "attach":
            return replace(case, files=(*case.files, _attached(action)))
        case "detach":
            return replace(case, files=tuple(each for each in case.files if each.sha256 != action.sha256))
        case "close":
            return _closed(case, _proposal_of(action), acted_at_ms(action))
        case "approve":
            assert case.proposal is not None, "without a proposal it is rejected"
            return replace(_closed(case, case.proposal, acted_at_ms(action)), approved_by=action.actor)
        case "reject":
            return replace(case, proposal=None)
        case "reopen":
            return entered(_reopened(case), policy, acted_at_ms(action))
        case "start" | "resume" | "note":
            return case
        case "merge" | "split":
            raise AssertionError(f"{name} changes two cases: see `merging` and `splitting`")


def _attached(action: CaseAction) -> AttachedFile:
    file = action.file
    assert file is not None, "the contract requires it"
    return AttachedFile(
        sha256=file.sha256,
        file_name=file.file_name,
        size_bytes=file.size_bytes,
        media_type=file.media_type,
        attached_by=action.actor,
        attached_at_ms=acted_at_ms(action),
    )


def _snoozed(case: Case, action: CaseAction) -> Case:
    until = until_ms(action)
    assert until is not None, "the contract requires it"
    snooze = CaseSnooze(until, action.actor, acted_at_ms(action), action.note or "", case.alert_count)
    return with_timer(replace(case, snooze=snooze), "snooze_end", until)


def _proposed(case: Case, action: CaseAction) -> Case:
    """The case whose closing a second person is to approve. It leaves where it was put aside."""
    awake = with_timer(replace(case, snooze=None), "snooze_end", None)
    return replace(awake, proposal=_proposal_of(action))


def _proposal_of(action: CaseAction) -> CaseProposal:
    assert action.disposition is not None, "the contract requires it"
    typology = action.typology if action.disposition == "confirmed_fraud" else None
    return CaseProposal(action.actor, acted_at_ms(action), action.disposition, typology)


def _closed(case: Case, proposal: CaseProposal, at_ms: int) -> Case:
    return replace(
        ended(case, "withdrawn"),
        disposition=proposal.disposition,
        typology=proposal.typology,
        closed_by=proposal.actor,
        closed_at_ms=at_ms,
        timers=(),
        snooze=None,
        proposal=None,
    )


def _reopened(case: Case) -> Case:
    return replace(
        case,
        assignee=None,
        escalated_to=None,
        disposition=None,
        typology=None,
        closed_by=None,
        closed_at_ms=None,
        approved_by=None,
    )
