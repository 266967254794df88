"""Partners and channels, and models: figures of payments from the history store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.overview.figures_desk import DAYS, DAYS_SHOWN, MODELS_PAGE, PARTNERS_PAGE
from fraudstream.console.overview.score_figures import AllScores, ScoreFigures
from fraudstream.console.overview.source_figures import UNNAMED, Source, SourceFigures
from fraudstream.console.plots.column_plot import Column, column_plot
from fraudstream.console.plots.day_bars import day_bars
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.overview_pages import OUTCOME_KINDS, days_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import amount_text
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.trees.scorer import ModelScorer
from fraudstream.history.figures import SCORE
from fraudstream.history.manifest import day_text
from fraudstream.operations.errors import OperationError

router = APIRouter()


class SourceLine(NamedTuple):
    """A channel or a partner with the plot of its days. `query`: of its cases."""

    name: str
    source: Source
    trend: Markup
    query: QueueQuery


class ScoreInForce(NamedTuple):
    """A score of the rules in force. `name`: `SCORE` of the one that decides. `model`: the name of its artefact and
    its digest; None of the rule set's own score."""

    name: str
    model: tuple[str, str] | None
    threshold: float
    role: str


class DrawnScore(NamedTuple):
    """A score's figures with its plots."""

    figures: ScoreFigures
    bins: Markup
    drift: Markup | None


@router.get("/partners")
async def partners_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_figures"))]) -> Response:
    """The risk of each channel and partner."""
    note_view(request, visitor.session, "view", "path:/partners")
    days = days_of(request.query_params.get("days"), DAYS, DAYS_SHOWN)
    found = await console_of(request).figures.sources(days)
    values: dict[str, Any] = {"days": days, "days_choices": DAYS, "live_page": PARTNERS_PAGE, "unnamed": UNNAMED}
    values |= {"money": amount_text, "day_text": day_text}
    if isinstance(found, str):
        return page(request, "partners.html", visitor, values | {"missing": found, "figures": None})
    words = words_for(request)
    values |= {
        "missing": None,
        "figures": found,
        "daily": _daily(words, found),
        "channels": _lines(words, found, found.channels, _of_channel),
        "partners": _lines(words, found, found.partners, _of_partner),
    }
    return page(request, "partners.html", visitor, values)


async def show_models(request: Request, visitor: Visitor, more: Mapping[str, object], status: int) -> Response:
    """The page of models: thresholds, distributions, drift, and how they agree with labels. `more`: values of the
    template beside those."""
    note_view(request, visitor.session, "view", "path:/models")
    console = console_of(request)
    days = days_of(request.query_params.get("days"), DAYS, DAYS_SHOWN)
    in_force, unreadable, switch, digest = list[ScoreInForce](), None, None, None
    try:
        rules = await console.rules.in_force()
        in_force, switch, digest = scores_in_force(rules.rule_set), rules.switch, rules.digest
    except OperationError as error:
        unreadable = error.sentence
    found = await console.figures.scores(days, {each.name: each.threshold for each in in_force})
    values: dict[str, Any] = {"days": days, "days_choices": DAYS, "live_page": MODELS_PAGE, "decides": SCORE, **more}
    values |= {"in_force": in_force, "unreadable": unreadable, "switch": switch, "digest": digest}
    values |= {"day_text": day_text, "missing": found if isinstance(found, str) else None}
    if isinstance(found, str):
        return page(request, "models.html", visitor, values | {"figures": None}, status)
    words = words_for(request)
    names = {each.name: each.model[0] if each.model else "" for each in in_force}
    drawn = [_drawn(words, each, names.get(each.name, "")) for each in found.scores]
    values |= {"figures": found, "scores": drawn, "weeks": _weeks(words, found)}
    return page(request, "models.html", visitor, values, status)


def scores_in_force(rules: RuleSet) -> list[ScoreInForce]:
    """The scores of a rule set, the one that decides first. A rule set without a score has none."""
    found = []
    if rules.scorer.inputs:
        found.append(_in_force(SCORE, rules.scorer, rules.scorer.threshold_points, "champion"))
    models = {model.name: model for model in rules.challengers}
    for name, points in rules.shadow_thresholds.items():
        found.append(_in_force(name, models.get(name), points, "challenger"))
    return found


def _in_force(name: str, scorer: object, threshold_points: int, role: str) -> ScoreInForce:
    model = (scorer.name, scorer.digest) if isinstance(scorer, ModelScorer) else None
    return ScoreInForce(name, model, threshold_points / POINTS_MAX, role)


def _daily(words: Words, figures: SourceFigures) -> Markup:
    columns = []
    for day in figures.days.numbers:
        counts = figures.total.by_day.get(day)
        values = (counts.alerts, counts.fraud) if counts is not None else (0, 0)
        text = words.text(
            "figure.day",
            day=day_text(day),
            payments=0 if counts is None else counts.payments,
            alerts=values[0],
            fraud=values[1],
        )
        columns.append(Column(values, text, day_text(day)[5:]))
    return column_plot(columns, ("alerts", "fraud"), words.text("figure.daily_title"), stacked=False)


def _lines(
    words: Words, figures: SourceFigures, found: Mapping[str, Source], cases_of: Callable[[str], QueueQuery]
) -> list[SourceLine]:
    lines = []
    for value, source in found.items():
        counts = [source.by_day.get(day) for day in figures.days.numbers]
        alerts = [0 if each is None else each.alerts for each in counts]
        fraud = [0 if each is None else each.fraud for each in counts]
        title = words.text("figure.trend_title", alerts=_listed(alerts), fraud=_listed(fraud))
        lines.append(SourceLine(value, source, day_bars(alerts, fraud, title), cases_of(value)))
    return lines


def _of_channel(name: str) -> QueueQuery:
    return QueueQuery(status="all", channel=name or None)


def _of_partner(name: str) -> QueueQuery:
    return QueueQuery(status="all", partner=name)


def _listed(counts: list[int]) -> str:
    return ", ".join(map(str, counts))


def _drawn(words: Words, figures: ScoreFigures, name: str) -> DrawnScore:
    columns = [
        Column(
            (each.payments, each.before),
            words.text("figure.bin", high=f"{each.high:g}", payments=each.payments, before=each.before),
            f"{each.high:.4g}",
        )
        for each in figures.bins
    ]
    shown = name or figures.name or words.text("figure.own_score")
    plot = column_plot(
        columns,
        ("alerts", "cases"),
        words.text("figure.bins_title", name=shown),
        stacked=False,
        logarithmic=True,
    )
    if not figures.drift_by_day:
        return DrawnScore(figures, plot, None)
    days = [
        Column((index,), words.text("figure.drift_day", day=day_text(day), index=f"{index:.3f}"), day_text(day)[5:])
        for day, index in sorted(figures.drift_by_day.items())
    ]
    return DrawnScore(figures, plot, column_plot(days, ("cases",), words.text("figure.drift_title", name=shown)))


def _weeks(words: Words, figures: AllScores) -> Markup:
    columns = []
    for day, outcomes in figures.weeks.items():
        shown = "" if outcomes.precision is None else f"{outcomes.precision * 100:.0f} %"
        text = words.text(
            "figure.week",
            first=day_text(day),
            count=outcomes.cases,
            fraud=outcomes.fraud,
            genuine=outcomes.genuine,
            precision=shown or "–",
        )
        columns.append(Column(tuple(outcomes), text, day_text(day)[5:], shown))
    return column_plot(columns, OUTCOME_KINDS, words.text("figure.weeks_title"))
