"""The rules in force, and the page of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from fraudstream.console.rules.activity import ACTIVITY_DAYS
from fraudstream.console.rules.check import text_parts
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.rendering import page
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.operations.errors import OperationError
from fraudstream.operations.new_rule import is_rule_name

router = APIRouter()


@router.get("/rules")
async def rules_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]) -> Response:
    """Every rule in force with what it has done, and the visitor's drafts and trials."""
    console = console_of(request)
    desk = console.rules
    may_draft = visitor.may("draft_rules")
    note_view(request, visitor.session, "view", "path:/rules")
    try:
        overview = await desk.overview(visitor.team)
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
    values = {
        "overview": overview,
        "drafts": await desk.drafts_of(visitor.user.name) if may_draft else [],
        "trials": desk.trials.of_user(visitor.user.name),
        "proposals": await console.approval.all(),
        "days": ACTIVITY_DAYS,
    }
    return page(request, "rules.html", visitor, values)


@router.get("/rules/{typology}/{rule}")
async def rule_page(
    request: Request, typology: str, rule: str, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]
) -> Response:
    """A rule in force: its text, its test cases, and the cases in which it fired."""
    name = checked_name(f"{typology}/{rule}")
    try:
        file = await console_of(request).rules.open_rule(name, visitor.team)
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
    if file is None:
        raise PageError(404, "no_rule", rule=name)
    note_view(request, visitor.session, "view", f"rule:{name}")
    values = {"file": file, "text": text_parts(file.rule_text), "days": ACTIVITY_DAYS}
    return page(request, "rule.html", visitor, values)


def checked_name(name: str) -> str:
    """The name, if a rule can have it. Raises `PageError`."""
    if not is_rule_name(name):
        raise PageError(404, "no_rule", rule=name[:130])
    return name
