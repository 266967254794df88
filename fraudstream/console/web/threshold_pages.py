"""The status of rules and the numbers of their conditions, changed without editing text: each change begins a draft."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from fraudstream.console.rules.drafts import DRAFTS_MAX, Draft
from fraudstream.console.rules.library import rule_of
from fraudstream.console.rules.numbers import SWITCHED, Piece, pieces_of, with_numbers, with_status
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of, values_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.rule_pages import checked_name
from fraudstream.console.web.rules_readable import rules_readable
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.engine.rules import Rule

router = APIRouter()


class RuleSettings(NamedTuple):
    """A rule in force with its condition, cut at the numbers. `has_draft`: the visitor has a draft of it."""

    rule: Rule
    pieces: tuple[Piece, ...]
    has_draft: bool


@router.get("/rules/thresholds")
async def thresholds_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]) -> Response:
    """Every rule that is evaluated, with its status and its numbers."""
    console = console_of(request)
    note_view(request, visitor.session, "view", "path:/rules/thresholds")
    with rules_readable():
        in_force = await console.rules.in_force()
    drafted = set()
    if visitor.may("draft_rules"):
        drafted = {draft.name for draft in await console.rules.drafts_of(visitor.user.name)}
    rules = in_force.rule_set
    found = [RuleSettings(rule, pieces_of(rules.files[rule.path]), rule.name in drafted) for rule in rules.rules]
    return page(
        request, "thresholds.html", visitor, {"rules": found, "rule_set": in_force.digest, "statuses": SWITCHED}
    )


@router.post("/rules/{typology}/{rule}/settings")
async def set_rule(
    request: Request, typology: str, rule: str, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))]
) -> Response:
    """Begin a draft of the rule with the status and the numbers of the form, and lead to it: there it is tried and
    proposed. A draft that the visitor has is not changed."""
    name, form, actor = checked_name(f"{typology}/{rule}"), await form_of(request), visitor.user.name
    console, words = console_of(request), words_for(request)
    with rules_readable():
        in_force = await console.rules.in_force()
        found = rule_of(in_force, name)
        draft = await console.rules.open_draft(actor, name)
    if found is None or found.status == "retired":
        raise PageError(404, "no_rule", rule=name)
    if draft.saved_at_ms is not None:
        raise PageError(409, "has_draft", rule=name)
    if form.get("rule_set") != in_force.digest:
        raise PageError(409, "rules_changed")
    status = form.get("status", found.status)
    if status not in SWITCHED:
        raise PageError(400, "invalid")
    try:
        text = with_status(with_numbers(draft.rule_text, await values_of(request, "number")), status)
    except ValueError as error:
        raise PageError(400, "no_number", text=str(error)[:40]) from None
    await audited(request, actor, "act", "asked", object=f"rule:{name}", detail="set")
    changed = Draft(name, text, draft.cases_text, draft.rule_set)
    if await console.rules.save(actor, changed) is None:
        note_result(request, actor, "act", "refused", object=f"rule:{name}", detail="set")
        raise PageError(409, "too_many_drafts", sentence=words.text("draft.too_many", count=DRAFTS_MAX))
    note_result(request, actor, "act", "done", object=f"rule:{name}", detail=f"set /rules/{name}/draft")
    return RedirectResponse(f"/rules/{name}/draft", 303)
