"""A trial of a change: its progress, then its result."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from msgspec.structs import replace

from fraudstream.console.access.masking import Masking
from fraudstream.console.rules.changes import kind_of, object_of
from fraudstream.console.rules.trials import ACTIVATIONS, Trial
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.rendering import page
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.evaluation.rule_difference import Example, RuleDifference

router = APIRouter()
_ABOUT_A_ROW: Final = re.compile(r"\b(rows?|lines?|records?|offset)\b")
_QUOTED: Final = re.compile(r"""'([^']+)'|"([^"]+)"|`([^`]+)`""")


@router.get("/trials/{trial_id}")
async def trial_page(
    request: Request, trial_id: str, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]
) -> Response:
    """A trial of any author's: results are shared by their address."""
    trial = _found(request, trial_id)
    note_view(request, visitor.session, "view", f"trial:{trial_id}", trial.change.name)
    settings = console_of(request).rules.trials.settings
    visible, result = visitor.may("see_identifiers"), trial.result
    values = {
        "trial": trial,
        "change_kind": kind_of(trial.change),
        "is_activation": trial.kind in ACTIVATIONS,
        "sentence": _shown_sentence(trial.sentence, settings.file, visible),
        "result": _shown(result, visible) if isinstance(result, RuleDifference) else result,
        "hours": settings.hours,
        "is_file": settings.file is not None,
    }
    return page(request, "trial.html", visitor, values)


@router.post("/trials/{trial_id}/cancel")
async def cancel(
    request: Request, trial_id: str, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))]
) -> Response:
    """End a trial of the visitor's own."""
    trial, actor = _found(request, trial_id), visitor.user.name
    if trial.user_name != actor or trial.kind in ACTIVATIONS:
        raise PageError(404, "no_trial")
    rule, detail = object_of(trial.change), f"cancel /trials/{trial_id}"
    await audited(request, actor, "act", "asked", object=rule, detail=detail)
    await console_of(request).rules.trials.cancel(trial)
    note_result(request, actor, "act", "done", object=rule, detail=detail)
    return RedirectResponse(f"/trials/{trial_id}", 303)


def _found(request: Request, trial_id: str) -> Trial:
    """Raises `PageError`."""
    trial = console_of(request).rules.trials.find(trial_id)
    if trial is None:
        raise PageError(404, "no_trial")
    return trial


def _shown_sentence(sentence: str, file: str | None, visible: bool) -> str:
    """Why a trial failed: it may quote a row of payments, and name the file that has it."""
    known = [] if file is None else [file, PurePath(file).name]
    if _ABOUT_A_ROW.search(sentence):
        known += [each for group in _QUOTED.findall(sentence) for each in group if each]
    return Masking(visible, known).written(sentence)


def _shown(found: RuleDifference, visible: bool) -> RuleDifference:
    """The difference as it is shown to somebody to whom identifiers are `visible`, or not. Examples alone have any."""
    return replace(
        found,
        examples_gained=tuple(_shown_example(each, visible) for each in found.examples_gained),
        examples_lost=tuple(_shown_example(each, visible) for each in found.examples_lost),
    )


def _shown_example(example: Example, visible: bool) -> Example:
    return Masking(visible, example.identifiers).shown(example)
