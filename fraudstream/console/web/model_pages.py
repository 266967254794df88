"""Thresholds of the score and roles of models, changed without editing text: tried, or proposed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from fraudstream.console.rules.changes import object_of
from fraudstream.console.rules.drafts import Draft
from fraudstream.console.rules.score_settings import model_roles, score_limit, with_limit, with_roles
from fraudstream.console.rules.trials import RUNNING_MAX, TrialsBusyError
from fraudstream.console.web.auditing import audited, note_result
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.figure_pages import show_models
from fraudstream.console.web.forms import form_of, values_of
from fraudstream.console.web.proposing import NOTE_CHARACTERS_MAX, may_activate, proposed
from fraudstream.console.web.rendering import words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.engine.rule_set import RuleSet
from fraudstream.operations.errors import OperationError

router = APIRouter()


@router.get("/models")
async def models_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_figures"))]) -> Response:
    """Champion and challengers: thresholds, distributions, drift, and how they agree with labels."""
    return await _page(request, visitor, None, 200)


@router.post("/models/{action}")
async def set_scores(
    request: Request, action: str, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))]
) -> Response:
    """`try`: what the settings of the form make of recent payments. `propose`: ask for their approval. `part`: whether
    they are those of the score, or of the models."""
    form, actor, words = await form_of(request), visitor.user.name, words_for(request)
    if action not in ("try", "propose"):
        raise PageError(404, "not_found")
    if action == "propose":
        may_activate(request)
    try:
        rules = (await console_of(request).rules.in_force()).rule_set
        draft = await _draft_of(request, form, rules)
        faults = await console_of(request).rules.check(draft)
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
    if rules.files.get(draft.path, "") == draft.rule_text:
        return await _page(request, visitor, words.markup("model.same"), 409)
    if faults:
        return await _page(request, visitor, words.markup("model.faulty", sentence=faults[0].sentence), 409)
    if action == "propose":
        return RedirectResponse(await proposed(request, actor, draft, form.get("note", "")), 303)
    await audited(request, actor, "act", "asked", object=object_of(draft), detail="try")
    try:
        trial = await console_of(request).rules.try_out("payments", actor, draft)
    except TrialsBusyError:
        note_result(request, actor, "act", "refused", object=object_of(draft), detail="try")
        return await _page(request, visitor, words.markup("draft.busy", count=RUNNING_MAX), 409)
    except OperationError as error:
        note_result(request, actor, "act", "failed", object=object_of(draft), detail="try")
        raise PageError(503, "rules", sentence=error.sentence) from error
    path = f"/trials/{trial.trial_id}"
    note_result(request, actor, "act", "done", object=object_of(draft), detail=f"try {path}")
    return RedirectResponse(path, 303)


async def _draft_of(request: Request, form: Mapping[str, str], rules: RuleSet) -> Draft:
    """The file of the rules with the settings of the form. Raises `PageError`."""
    try:
        if form.get("part") == "model":
            challengers = await values_of(request, "challenger")
            return with_roles(rules, form.get("champion", ""), form.get("threshold", ""), challengers)
        draft = with_limit(rules, form.get("value", ""))
    except ValueError as error:
        raise PageError(400, "no_number", text=str(error)[:40]) from None
    if draft is None:
        raise PageError(404, "not_found")
    return draft


async def _page(request: Request, visitor: Visitor, message: Markup | None, status: int) -> Response:
    """The page of models; `message`: why something was refused."""
    console = console_of(request)
    values: dict[str, Any] = {"message": message, "limit": None, "roles": None}
    values |= {"may_propose": console.settings.may_activate, "note_characters_max": NOTE_CHARACTERS_MAX}
    if visitor.may("draft_rules"):
        try:
            rules = (await console.rules.in_force()).rule_set
        except OperationError:
            return await show_models(request, visitor, values, status)  # it says why
        values |= {"limit": score_limit(rules), "roles": await asyncio.to_thread(model_roles, rules)}
    return await show_models(request, visitor, values, status)
