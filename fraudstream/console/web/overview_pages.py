"""The overview of cases for the team lead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.overview.case_figures import DAYS, DAYS_SHOWN, CaseFigures, Week
from fraudstream.console.overview.desk import PAGE
from fraudstream.console.plots.column_plot import Column, column_plot
from fraudstream.console.queue_query import DISPOSITIONS, NOBODY, QueueQuery
from fraudstream.console.search.tally import NONE
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import amount_text
from fraudstream.contracts.timestamps import utc

router = APIRouter()
OUTCOME_KINDS: Final = ("fraud", "genuine", "inconclusive", "open")  # as of `Outcomes`


class Drawings(NamedTuple):
    """The plots of the page."""

    hours: Markup
    weeks: Markup


@router.get("/overview")
async def overview_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_overview"))]) -> Response:
    """Cases and alerts by hour, the backlog, who works on what, and how cases were closed."""
    note_view(request, visitor.session, "view", "path:/overview")
    console = console_of(request)
    days = days_of(request.query_params.get("days"), DAYS, DAYS_SHOWN)
    figures = await console.overview.case_figures(days, visitor.team)
    values = {
        "figures": figures,
        "days_choices": DAYS,
        "drawings": _drawings(request, figures),
        "active": QueueQuery(),
        "everything": QueueQuery(status="all"),
        "period": figures.period.query,
        "dispositions": DISPOSITIONS,
        "none_text": NONE,
        "nobody": NOBODY,
        "money": amount_text,
        "live_page": PAGE,
    }
    return page(request, "overview.html", visitor, values)


def days_of(text: str | None, choices: Sequence[int], otherwise: int) -> int:
    """The number of days that a parameter chooses; `otherwise` if it is none of the choices."""
    return next((each for each in choices if str(each) == text), otherwise)


def _drawings(request: Request, figures: CaseFigures) -> Drawings:
    words, zone = words_for(request), console_of(request).settings.zone
    hours = []
    for hour in figures.hours:
        local = utc(hour.begin_ms).astimezone(zone)
        text = words.text("overview.hour", at=local.strftime("%m-%d %H:%M"), alerts=hour.alerts, cases=hour.cases)
        label = local.strftime("%H:%M" if local.hour else "%m-%d")
        hours.append(Column((hour.alerts, hour.cases), text, label))
    weeks = [_week(words, week) for week in figures.weeks]
    return Drawings(
        column_plot(hours, ("alerts", "cases"), words.text("overview.hours_title"), stacked=False),
        column_plot(weeks, OUTCOME_KINDS, words.text("overview.weeks_title")),
    )


def _week(words: Words, week: Week) -> Column:
    precision = week.outcomes.precision
    shown = "" if precision is None else f"{precision * 100:.0f} %"
    text = words.text(
        "overview.week",
        first=week.first.text,
        count=week.outcomes.cases,
        fraud=week.outcomes.fraud,
        genuine=week.outcomes.genuine,
        precision=shown or "–",
    )
    query = QueueQuery(status="all", opened_from=week.first, opened_to=week.last)
    return Column(tuple(week.outcomes), text, week.first.text[5:], shown, f"/{query.parameters()}")
