"""The rules in force, and the page of one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.overview.figures_desk import RULES_PAGE
from fraudstream.console.overview.payment_days import Days
from fraudstream.console.overview.rule_firings import Firings
from fraudstream.console.plots.column_plot import Column, column_plot
from fraudstream.console.rules.activity import ACTIVITY_DAYS, ACTIVITY_DAYS_SHOWN
from fraudstream.console.rules.check import text_parts
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.overview_pages import days_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.rules_readable import rules_readable
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.history.manifest import day_text
from fraudstream.operations.new_rule import is_rule_name

router = APIRouter()


@router.get("/rules")
async def rules_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]) -> Response:
    """Every rule in force with what it has done, and the visitor's drafts and trials."""
    console = console_of(request)
    desk = console.rules
    days = days_of(request.query_params.get("days"), ACTIVITY_DAYS, ACTIVITY_DAYS_SHOWN)
    may_draft = visitor.may("draft_rules")
    note_view(request, visitor.session, "view", "path:/rules")
    with rules_readable():
        overview = await desk.overview(days, visitor.team)
        firings = await console.figures.firings(days)
    values = {
        "overview": overview,
        "drafts": await desk.drafts_of(visitor.user.name) if may_draft else [],
        "trials": desk.trials.of_user(visitor.user.name),
        "proposals": await console.approval.all(),
        "days": days,
        "days_choices": ACTIVITY_DAYS,
        "firings": None if isinstance(firings, str) else firings.rules,
        "missing": firings if isinstance(firings, str) else None,
        "live_page": RULES_PAGE,
    }
    return page(request, "rules.html", visitor, values)


@router.get("/rules/{typology}/{rule}")
async def rule_page(
    request: Request, typology: str, rule: str, visitor: Annotated[Visitor, Depends(permitted("see_rules"))]
) -> Response:
    """A rule in force: its text, its test cases, and the cases in which it fired."""
    name = checked_name(f"{typology}/{rule}")
    days = days_of(request.query_params.get("days"), ACTIVITY_DAYS, ACTIVITY_DAYS_SHOWN)
    with rules_readable():
        file = await console_of(request).rules.open_rule(name, days, visitor.team)
    if file is None:
        raise PageError(404, "no_rule", rule=name)
    note_view(request, visitor.session, "view", f"rule:{name}")
    firings = await console_of(request).figures.firings(days)
    fired = None if isinstance(firings, str) else firings.rules.get(name, Firings())
    values: dict[str, Any] = {
        "fired": fired,
        "missing": firings if isinstance(firings, str) else None,
        "live_page": RULES_PAGE,
        "day_text": day_text,
        "plot": None if isinstance(firings, str) or fired is None else _plot(request, name, firings.days, fired),
    }
    values |= {"file": file, "text": text_parts(file.rule_text), "days": days, "days_choices": ACTIVITY_DAYS}
    return page(request, "rule.html", visitor, values)


def _plot(request: Request, name: str, days: Days, fired: Firings) -> Markup:
    """The payments on which the rule fired, by day."""
    words = words_for(request)
    counted = [(day_text(day), fired.by_day.get(day, 0)) for day in days.numbers]
    columns = [Column((count,), words.text("rules.fired_day", day=day, count=count), day[5:]) for day, count in counted]
    return column_plot(columns, ("cases",), words.text("rules.fired_title", rule=name))


def checked_name(name: str) -> str:
    """The name, if a rule can have it. Raises `PageError`."""
    if not is_rule_name(name):
        raise PageError(404, "no_rule", rule=name[:130])
    return name
