"""The visitor's draft of a rule: edited, checked, tried, and proposed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from fraudstream.console.rules.drafts import DRAFTS_MAX, Draft
from fraudstream.console.rules.trials import RUNNING_MAX, Kind, TrialsBusyError
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.proposing import NOTE_CHARACTERS_MAX
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.rule_pages import checked_name
from fraudstream.console.web.rules_readable import rules_readable
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.engine.expression import Fault
from fraudstream.operations.errors import OperationError

router = APIRouter()
_TRIALS: Final[Mapping[str, Kind]] = {"try": "payments", "test": "cases"}


class _RefusedError(Exception):
    """A draft was not tried, proposed or saved. `draft`: as it is now; `message`: why."""

    def __init__(self, draft: Draft, message: Markup) -> None:
        super().__init__(message)
        self.draft = draft
        self.message = message


@router.get("/rules/new")
async def new_draft(
    request: Request, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))], name: str = ""
) -> Response:
    """Lead to the draft of a rule that the form has named."""
    return RedirectResponse(f"/rules/{checked_name(name.strip())}/draft", 303)


@router.get("/rules/{typology}/{rule}/draft")
async def draft_page(
    request: Request, typology: str, rule: str, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))]
) -> Response:
    """The visitor's draft of a rule; the rule in force, or a first text, to begin one."""
    name = checked_name(f"{typology}/{rule}")
    with rules_readable():
        draft = await console_of(request).rules.open_draft(visitor.user.name, name)
    return await _draft_page(request, visitor, draft, None, 200)


@router.post("/rules/{typology}/{rule}/draft/{action}")
async def act_on_draft(
    request: Request,
    typology: str,
    rule: str,
    action: str,
    visitor: Annotated[Visitor, Depends(permitted("draft_rules"))],
) -> Response:
    """`check`: the page of the form's texts, not saved. `save`: save them. `test`, `try`: save them and begin a trial.
    `propose`: save them and ask for approval. `discard`: remove the draft."""
    name, form, actor = checked_name(f"{typology}/{rule}"), await form_of(request), visitor.user.name
    draft = Draft(
        name, _text(form.get("rule_text", "")), _text(form.get("cases_text", "")), form.get("rule_set", "")[:64]
    )
    if action == "check":
        return await _draft_page(request, visitor, draft, None, 200)
    may_propose = console_of(request).settings.may_activate
    if action not in ("save", "discard", *_TRIALS) and not (action == "propose" and may_propose):
        raise PageError(404, "not_found")
    await audited(request, actor, "act", "asked", object=f"rule:{name}", detail=action)
    try:
        path = await _act(request, actor, action, draft, form.get("note", ""))
    except _RefusedError as refused:
        note_result(request, actor, "act", "refused", object=f"rule:{name}", detail=action)
        return await _draft_page(request, visitor, refused.draft, refused.message, 409)
    except OperationError as error:
        note_result(request, actor, "act", "failed", object=f"rule:{name}", detail=action)
        raise PageError(503, "rules", sentence=error.sentence) from error
    note_result(request, actor, "act", "done", object=f"rule:{name}", detail=f"{action} {path}")
    return RedirectResponse(path, 303)


async def _act(request: Request, actor: str, action: str, draft: Draft, note: str) -> str:
    """Do it; the path to which it leads. Raises `_RefusedError`, `OperationError`."""
    console, words = console_of(request), words_for(request)
    if action == "discard":
        await console.rules.discard(actor, draft.name)
        return "/rules"
    if (saved := await console.rules.save(actor, draft)) is None:
        raise _RefusedError(draft, words.markup("draft.too_many", count=DRAFTS_MAX))
    if action == "save":
        return f"/rules/{draft.name}/draft"
    if faults := await console.rules.check(saved):
        raise _RefusedError(saved, words.markup("draft.faulty", count=len(faults)))
    if action == "propose":
        proposal = await console.approval.propose(saved, actor, note.strip()[:NOTE_CHARACTERS_MAX])
        return f"/proposals/{proposal.proposal_id}"
    try:
        trial = await console.rules.try_out(_TRIALS[action], actor, saved)
    except TrialsBusyError:
        raise _RefusedError(saved, words.markup("draft.busy", count=RUNNING_MAX)) from None
    return f"/trials/{trial.trial_id}"


async def _draft_page(
    request: Request, visitor: Visitor, draft: Draft, message: Markup | None, status: int
) -> Response:
    """The page of a draft with its faults; `message`: why something was refused."""
    console = console_of(request)
    settings = console.rules.trials.settings
    note_view(request, visitor.session, "view", f"rule:{draft.name}", "draft")
    values = {
        "draft": draft,
        "faults": await _faults(request, draft),
        "message": message,
        "hours": settings.hours,
        "is_file": settings.file is not None,
        "may_propose": console.settings.may_activate,
        "note_characters_max": NOTE_CHARACTERS_MAX,
    }
    return page(request, "draft.html", visitor, values, status)


async def _faults(request: Request, draft: Draft) -> list[Fault]:
    with rules_readable():
        return await console_of(request).rules.check(draft)


def _text(text: str) -> str:
    """A text of a form, whose line breaks are CR LF."""
    return text.replace("\r\n", "\n")
