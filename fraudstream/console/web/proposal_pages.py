"""A proposal to put a draft in force: what it changes, and its approval by another person."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from fraudstream.console.rules.approval import DecidedError, OwnProposalError, RulesChangedError
from fraudstream.console.rules.proposals import DecidedProposal, Proposal
from fraudstream.console.rules.trials import RUNNING_MAX, Trial, TrialsBusyError
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.console import Console, console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, log_refusal, permitted
from fraudstream.contracts.audit_record import AuditOutcome
from fraudstream.operations.errors import OperationError

router = APIRouter()


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
    record = await _asked(request, actor, "try", proposal)
    try:
        trial = await console_of(request).rules.try_out("payments", actor, proposal.draft)
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
    console = _console(request)
    record = await _asked(request, actor, "approve", proposal)

    def on_end(trial: Trial) -> None:
        _note(request, actor, "activate", proposal, "done" if trial.state == "done" else "failed")

    try:
        trial = await console.approval.approve(proposal, actor, on_end)
    except OwnProposalError:
        record("refused")
        return await _refused(request, visitor, proposal_id, "own")
    except RulesChangedError:
        record("refused")
        return await _refused(request, visitor, proposal_id, "rules_changed")
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
    await audited(request, actor, "act", "asked", object=f"rule:{proposal.draft.name}", detail=detail)
    return partial(_note, request, actor, action, proposal)


def _note(request: Request, actor: str, action: str, proposal: Proposal, outcome: AuditOutcome) -> None:
    detail = f"{action} /proposals/{proposal.proposal_id}"
    note_result(request, actor, "act", outcome, object=f"rule:{proposal.draft.name}", detail=detail)


def _console(request: Request) -> Console:
    """The console, if its settings let it put rules in force. Raises `PageError`."""
    console = console_of(request)
    if not console.settings.may_activate:
        raise PageError(404, "not_found")
    return console


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
    console = console_of(request)
    note_view(request, visitor.session, "view", f"proposal:{found.proposal.proposal_id}", found.proposal.draft.name)
    try:
        changes = await console.approval.changes(found.proposal)
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
    values = {
        "found": found,
        "proposal": found.proposal,
        "changes": changes,
        "message": message,
        "may_activate": console.settings.may_activate,
    }
    return page(request, "proposal.html", visitor, values, status)
