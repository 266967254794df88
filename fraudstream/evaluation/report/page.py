"""The report as one HTML page: what a fraud manager reads first, then what an engineer checks."""

from __future__ import annotations

from fraudstream.contracts.timestamps import utc_text
from fraudstream.evaluation.report.markup import Markup, count, element, join, measure, money, share, text
from fraudstream.evaluation.report.rules_and_drift import drift_section, rules_section
from fraudstream.evaluation.report.scorer_sections import (
    budget_section,
    calibration_section,
    card_section,
    folds_section,
    ranking_section,
    typology_section,
    week_section,
)
from fraudstream.evaluation.report.style import STYLE
from fraudstream.evaluation.results import Evaluation

_SECTIONS = (
    ("budget", "Alert budget", budget_section),
    ("ranking", "Ranking", ranking_section),
    ("cards", "Accounts found a day", card_section),
    ("weeks", "Week by week", week_section),
    ("folds", "Periods that follow", folds_section),
    ("typologies", "Kinds of fraud", typology_section),
    ("calibration", "Calibration", calibration_section),
    ("rules", "Rules", rules_section),
    ("drift", "Drift", drift_section),
)


def report_page(evaluation: Evaluation, title: str) -> bytes:
    """The whole page, UTF-8. It loads nothing: no script, no font, no picture from outside. `title`: of the data."""
    links = join(element("a", text(name), href=f"#{key}") for key, name, _ in _SECTIONS)
    sections = join(
        element("section", join([element("h2", text(name)), build(evaluation)]), id=key)
        for key, name, build in _SECTIONS
    )
    head = join(
        [
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            element("title", text(f"Evaluation of {title}")),
            element("style", Markup(STYLE)),
        ]
    )
    body = join([element("h1", text(f"Evaluation of {title}")), _period(evaluation), _headline(evaluation)])
    content = [element("head", head), element("body", join([body, element("nav", links), sections]))]
    page = element("html", join(content), lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _period(evaluation: Evaluation) -> Markup:
    period = evaluation.period
    labelled = period.frauds + period.genuine
    base = share(period.frauds / labelled if labelled else None, 2)
    parts = [
        f"{utc_text(period.from_ms)} to {utc_text(period.until_ms)}: {period.payments:,} payments of "
        f"{period.accounts:,} accounts, {period.frauds:,} of {labelled:,} labelled ones fraud ({base}).",
    ]
    if period.left_out:
        parts.append(f"{period.left_out:,} payments of accounts whose fraud was known before are left out.")
    if period.payments > labelled:
        parts.append(f"{period.payments - labelled:,} payments have no label: precision is of labelled alerts.")
    if evaluation.rule_set:
        parts.append(f"Rule set {evaluation.rule_set}.")
    return element("p", text(" ".join(parts)), class_="soft")


def _headline(evaluation: Evaluation) -> Markup:
    """The few numbers with what they mean."""
    alerts, champion = evaluation.alerts, evaluation.scorers[0]
    best = champion.budget.caught
    main = next((each for each in best.money if each.currency == evaluation.main_currency), None)
    tiles = [
        _tile(
            share(alerts.precision),
            "of today's alerts are fraud",
            f"{count(alerts.alerts)} alerts, {alerts.alerts_per_day:,.1f} a day; they catch {share(alerts.recall)} of "
            "the frauds.",
        ),
        _tile(
            share(best.precision),
            f"precision at {count(champion.budget.budget)} alerts a day",
            f"An analyst who works the {count(champion.budget.budget)} highest scores a day finds about "
            f"{best.frauds / evaluation.period.days:,.1f} frauds a day, {share(best.recall)} of all.",
        ),
        _tile(
            NO_MONEY if main is None else share(main.caught_share),
            "of the money at that budget",
            NO_MONEY
            if main is None
            else f"{money(main.caught_minor, main.currency)} of {money(main.fraud_minor, main.currency)} lost to fraud "
            "is in payments that would be alerted.",
        ),
        _tile(
            measure(champion.average_precision),
            "average precision of the score",
            "Mean precision over all thresholds that find one more fraud. A score that knows nothing reaches the share "
            "of frauds.",
        ),
        _tile(
            measure(champion.auc),
            "AUC ROC of the score",
            "How often a fraud scores higher than a genuine payment; 0.5 is chance.",
        ),
        _tile(
            measure(champion.card_precision.mean),
            f"Card Precision@{champion.card_precision.k}",
            f"Of the {champion.card_precision.k} accounts looked at a day, the share that had a fraud; at best "
            f"{measure(champion.card_precision.perfect)}.",
        ),
    ]
    return element("div", join(tiles), class_="tiles")


NO_MONEY = "–"


def _tile(number: str, name: str, meaning: str) -> Markup:
    return element(
        "div", join([element("b", text(number)), text(name), element("p", text(meaning))]), class_="tile"
    )  # fmt: skip
