"""What was put in force and by whom, what waits for approval, and the way back to what was in force before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from fraudstream.console.rules.changes import Change, ListChange, RestoredRules
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.proposing import NOTE_CHARACTERS_MAX, may_activate, proposed
from fraudstream.console.web.rendering import page
from fraudstream.console.web.rules_readable import rules_readable
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.contracts import RuleSwitch
from fraudstream.operations.errors import InvalidValueError, OperationError
from fraudstream.operations.rules_in_force import InForce

router = APIRouter()
SHOWN_MAX: Final = 50


class PastRules(NamedTuple):
    """A rule set that the topic of controls holds. `switch`: the last that put it in force; None if the topic has none
    any more, or workers began with it."""

    rule_set: str
    switch: RuleSwitch | None


@router.get("/changes")
async def changes_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]) -> Response:
    """Proposals and what was decided, and the rule sets to which one can go back."""
    console = console_of(request)
    note_view(request, visitor.session, "view", "path:/changes")
    with rules_readable():
        in_force = await console.rules.in_force()
    values = {
        "proposals": (await console.approval.all())[:SHOWN_MAX],
        "in_force": in_force.digest,
        "switch": in_force.switch,
        "past": past_rules(in_force)[:SHOWN_MAX],
        "may_restore": console.settings.may_activate and visitor.may("draft_rules"),
        "note_characters_max": NOTE_CHARACTERS_MAX,
    }
    return page(request, "changes.html", visitor, values)


@router.post("/changes/restore")
async def restore(request: Request, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))]) -> Response:
    """Ask for the approval of the way back: to the rule set `rule_set`, or to what was there before the list change of
    `proposal`. It is a new change, which is shown, tried and approved as every other."""
    form = await form_of(request)
    may_activate(request)
    note = form.get("note", "").strip()
    if not note:
        raise PageError(400, "invalid")
    try:
        change = await _change_back(request, form.get("rule_set", ""), form.get("proposal", ""))
    except InvalidValueError as error:
        raise PageError(409, "no_way_back", sentence=error.sentence) from None
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
    if change is None:
        raise PageError(404, "no_proposal")
    return RedirectResponse(await proposed(request, visitor.user.name, change, note), 303)


async def _change_back(request: Request, rule_set: str, proposal_id: str) -> Change | None:
    """The change that undoes a list change, or that restores a rule set; None if there is none of that name."""
    console = console_of(request)
    if proposal_id:
        found = await console.approval.find(proposal_id)
        if found is None or found.state != "approved":
            return None
        if isinstance(found.proposal.change, ListChange):
            return await console.lists.undoing(found.proposal.change)
        rule_set = found.proposal.rule_set
    stored = (await console.rules.in_force()).stored
    return RestoredRules(rule_set) if rule_set in stored else None


def past_rules(in_force: InForce) -> Sequence[PastRules]:
    """The rule sets that are stored and not in force, the last in force first; those without a switch come last."""
    last = {switch.rule_set: switch for switch in in_force.switches}
    found = [PastRules(digest, last.get(digest)) for digest in in_force.stored if digest != in_force.digest]
    return sorted(found, key=lambda each: (-(each.switch.issued_at_ms if each.switch else 0), each.rule_set))
