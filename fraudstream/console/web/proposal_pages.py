"""A proposal to put a change in force: what it changes, and its approval by another person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from fraudstream.console.access.masking import Masking
from fraudstream.console.past import Carried, Missing
from fraudstream.console.rules.approval import DecidedError, OvertakenError, OwnProposalError
from fraudstream.console.rules.changes import ListChange, kind_of, object_of
from fraudstream.console.rules.entries import is_identifying_field
from fraudstream.console.rules.proposals import DecidedProposal, Proposal
from fraudstream.console.rules.trials import RUNNING_MAX, Trial, TrialsBusyError
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.proposing import may_activate
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.rules_readable import rules_readable
from fraudstream.console.web.visitors import Visitor, log_refusal, permitted
from fraudstream.contracts import ListEntry
from fraudstream.contracts.audit_record import AuditOutcome
from fraudstream.engine.expression import ValueList
from fraudstream.history.tables import LINK_FIELDS, EntityKind
from fraudstream.operations.errors import OperationError

router = APIRouter()
# The kinds of pages by the field of a payment that a list is of.
KIND_OF_FIELD: Final[Mapping[str, EntityKind]] = {
    **{field: kind for kind, field in LINK_FIELDS.items()},
    "account_id": "account",
}


@router.get("/proposals/{proposal_id}")
async def proposal_page(
    request: Request, proposal_id: str, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]
) -> Response:
    """What the proposal changes, and what was decided."""
    return await _page(request, visitor, await _found(request, proposal_id), None, 200)


@router.post("/proposals/{proposal_id}/refuse")
async def refuse(
    request: Request, proposal_id: str, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]
) -> Response:
    """Refuse it, which needs the permission to approve, or withdraw one's own."""
    proposal, actor = (await _found(request, proposal_id)).proposal, visitor.user.name
    is_own = proposal.by == actor
    if not is_own and not visitor.may("approve_rules"):
        log_refusal(request, actor, f"role {visitor.user.role} does not permit approve_rules")
        raise PageError(403, "forbidden", role=visitor.user.role)
    record = await _asked(request, actor, "withdraw" if is_own else "refuse", proposal)
    try:
        await console_of(request).approval.refuse(proposal, actor)
    except DecidedError as error:
        record("refused")
        return await _refused(request, visitor, proposal_id, "decided", name=error.decision.by)
    record("done")
    return RedirectResponse(f"/proposals/{proposal_id}", 303)


@router.post("/proposals/{proposal_id}/try")
async def try_proposal(
    request: Request, proposal_id: str, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))]
) -> Response:
    """Try what is proposed on recent payments."""
    proposal, actor = (await _found(request, proposal_id)).proposal, visitor.user.name
    if isinstance(proposal.change, ListChange):
        raise PageError(404, "not_found")
    record = await _asked(request, actor, "try", proposal)
    try:
        trial = await console_of(request).rules.try_out("payments", actor, proposal.change)
    except TrialsBusyError:
        record("refused")
        return await _refused(request, visitor, proposal_id, "busy", count=str(RUNNING_MAX))
    except OperationError as error:
        record("failed")
        raise PageError(503, "rules", sentence=error.sentence) from error
    record("done")
    return RedirectResponse(f"/trials/{trial.trial_id}", 303)


@router.post("/proposals/{proposal_id}/approve")
async def approve(
    request: Request, proposal_id: str, visitor: Annotated[Visitor, Depends(permitted("approve_rules"))]
) -> Response:
    """Approve it, and put it in force. Not one's own, and not if other rules are in force than when it was proposed."""
    proposal, actor = (await _found(request, proposal_id)).proposal, visitor.user.name
    console = may_activate(request)
    record = await _asked(request, actor, "approve", proposal)

    def on_end(trial: Trial) -> None:
        _note(request, actor, "activate", proposal, "done" if trial.state == "done" else "failed")

    try:
        trial = await console.approval.approve(proposal, actor, on_end)
    except OwnProposalError:
        record("refused")
        return await _refused(request, visitor, proposal_id, "own")
    except OvertakenError:
        record("refused")
        return await _refused(request, visitor, proposal_id, "overtaken")
    except DecidedError as error:
        record("refused")
        return await _refused(request, visitor, proposal_id, "decided", name=error.decision.by)
    except TrialsBusyError:
        record("failed")  # it is approved, and not in force
        return await _refused(request, visitor, proposal_id, "busy", count=str(RUNNING_MAX))
    except OperationError as error:
        record("failed")
        raise PageError(503, "rules", sentence=error.sentence) from error
    record("done")
    return RedirectResponse(f"/trials/{trial.trial_id}", 303)


async def _asked(request: Request, actor: str, action: str, proposal: Proposal) -> Callable[[AuditOutcome], None]:
    """Audit that an action was asked for; what is returned notes its outcome. Raises `PageError`."""
    detail = f"{action} /proposals/{proposal.proposal_id}"
    await audited(request, actor, "act", "asked", object=object_of(proposal.change), detail=detail)
    return partial(_note, request, actor, action, proposal)


def _note(request: Request, actor: str, action: str, proposal: Proposal, outcome: AuditOutcome) -> None:
    detail = f"{action} /proposals/{proposal.proposal_id}"
    note_result(request, actor, "act", outcome, object=object_of(proposal.change), detail=detail)


async def _found(request: Request, proposal_id: str) -> DecidedProposal:
    """Raises `PageError`."""
    found = await console_of(request).approval.find(proposal_id)
    if found is None:
        raise PageError(404, "no_proposal")
    return found


async def _refused(request: Request, visitor: Visitor, proposal_id: str, why: str, **values: str) -> Response:
    found = await _found(request, proposal_id)
    return await _page(request, visitor, found, words_for(request).markup(f"proposal.{why}", **values), 409)


async def _page(
    request: Request, visitor: Visitor, found: DecidedProposal, message: Markup | None, status: int
) -> Response:
    console, proposal, change = console_of(request), found.proposal, found.proposal.change
    note_view(request, visitor.session, "view", f"proposal:{proposal.proposal_id}", change.name)
    with rules_readable():
        changes = await console.approval.changes(proposal)
        listed = await _listed(request, visitor, proposal) if isinstance(change, ListChange) else None
    is_own = proposal.by == visitor.user.name
    may_approve = visitor.may("approve_rules") and (not is_own or console.approval.may_approve_own(change))
    values = {
        "found": found,
        "proposal": proposal,
        "kind": kind_of(change),
        "changes": changes,
        "listed": listed,
        "message": message,
        "may_approve": console.settings.may_activate and may_approve and found.state != "refused",
        "is_own": is_own,
        "four_eyes": not console.approval.may_approve_own(change),
    }
    return page(request, "proposal.html", visitor, values, status)


class ListedValues(NamedTuple):
    """What the page of a list change shows. `values`: each with the entry that there was, as they are shown. `carried`:
    how many payments carry the values; None of values that the history does not count."""

    declared: ValueList
    values: tuple[tuple[str, ListEntry | None], ...]
    carried: Carried | Missing | None


async def _listed(request: Request, visitor: Visitor, proposal: Proposal) -> ListedValues:
    """Who proposes a value or may approve it sees it whole: nobody can decide about `••••1234`. That is in the audit
    log."""
    console, change = console_of(request), proposal.change
    assert isinstance(change, ListChange), f"{change.name} is no list change"
    declared = await console.lists.declared(change.list)
    visible = visitor.may("see_identifiers") or not is_identifying_field(declared)
    if not visible and (visitor.may("approve_rules") or proposal.by == visitor.user.name):
        visible = True
        note_view(request, visitor.session, "unmask", f"proposal:{proposal.proposal_id}", f"list:{change.list}")
    shown = map(Masking(visible).identifier, change.values)
    kind = KIND_OF_FIELD.get(declared.of)
    page_name = proposal.proposal_id
    carried = (
        None
        if kind is None
        else await console.past.carried(kind, change.values, lambda: console.live.on_page(page_name))
    )
    return ListedValues(declared, tuple(zip(shown, change.before, strict=True)), carried)
