"""The sections of the report about scorers: budget, ranking, accounts, weeks, kinds of fraud, calibration."""

from __future__ import annotations

from fraudstream.contracts.timestamps import utc_text
from fraudstream.evaluation.bootstrap import Interval
from fraudstream.evaluation.folds import MEASURES
from fraudstream.evaluation.report.chart import Axis, Line, bar_chart, line_chart
from fraudstream.evaluation.report.markup import (
    NONE,
    Markup,
    count,
    day_text,
    element,
    join,
    measure,
    money,
    score_text,
    share,
    table,
    text,
)
from fraudstream.evaluation.results import Evaluation, ScorerQuality

_SHARE = (0.0, 1.0, False, True)


def budget_section(evaluation: Evaluation) -> Markup:
    """What a number of alerts a day finds."""
    scorers = evaluation.scorers
    steps = [point.budget for point in scorers[0].budget_curve]
    x = Axis("alerts a day", min(steps), max(max(steps), min(steps) * 10), logarithmic=True)
    marks = [(scorers[0].budget.budget, "budget")]

    def lines(value: str) -> list[Line]:
        return [
            Line(
                scorer.name,
                [
                    (point.budget, found)
                    for point in scorer.budget_curve
                    if (found := getattr(point.caught, value)) is not None
                ],
                dots=True,
            )
            for scorer in scorers
        ]

    plots = [
        line_chart("Frauds caught", x, Axis("share of frauds", *_SHARE), lines("recall"), marks),
        line_chart("Alerts that are fraud", x, Axis("precision", *_SHARE), lines("precision"), marks),
    ]
    if evaluation.main_currency is not None:
        plots.append(
            line_chart("Money caught", x, Axis("share of fraud amount", *_SHARE), _money_lines(evaluation), marks)
        )
    note = (
        "One threshold for the whole period; alerts a day are its mean. Where payments tie at the threshold, the "
        "expected number of each kind counts. An interval holds 95 % of 'what if other accounts had come': if those of "
        "two scorers overlap widely, the difference may be chance."
    )
    return join([element("p", text(note), class_="note"), _plots(plots), _budget_table(evaluation)])


def _money_lines(evaluation: Evaluation) -> list[Line]:
    return [
        Line(
            scorer.name,
            [
                (point.budget, each.caught_share)
                for point in scorer.budget_curve
                for each in point.caught.money
                if each.currency == evaluation.main_currency and each.caught_share is not None
            ],
            dots=True,
        )
        for scorer in evaluation.scorers
    ]


def _budget_table(evaluation: Evaluation) -> Markup:
    head = ["scorer", "alerts a day", "threshold", "frauds", "genuine", "precision", "95 %", "recall", "95 %"]
    rows: list[list[str]] = []
    for scorer in evaluation.scorers:
        point, found = scorer.budget, scorer.budget.caught
        rows.append(
            [
                scorer.name,
                f"{found.alerts_per_day:,.1f}",
                NONE if point.threshold is None else score_text(point.threshold),
                count(found.frauds),
                count(found.genuine),
                share(found.precision),
                _interval(scorer.intervals.get("precision"), percent=True),
                share(found.recall),
                _interval(scorer.intervals.get("recall"), percent=True),
            ]
        )
    now = evaluation.alerts
    rows.append(
        [
            "alerts as raised", f"{now.alerts_per_day:,.1f}", NONE, count(now.frauds), count(now.genuine),
            share(now.precision), NONE, share(now.recall), NONE,
        ]
    )  # fmt: skip
    amounts = [
        [name, each.currency, money(each.fraud_minor, each.currency), money(each.caught_minor, each.currency),
         share(each.caught_share)]
        for name, caught in [(s.name, s.budget.caught) for s in evaluation.scorers] + [("alerts as raised", now)]
        for each in caught.money
        if each.fraud_minor
    ]  # fmt: skip
    parts = [table(head, rows)]
    if amounts:
        parts.append(element("h3", text("Money, by currency")))
        parts.append(table(["scorer", "currency", "lost to fraud", "in alerts", "share"], amounts, numbers_from=2))
    return join(parts)


def ranking_section(evaluation: Evaluation) -> Markup:
    """ROC and precision-recall curves, with the measures of both."""
    scorers = evaluation.scorers
    period = evaluation.period
    labelled = period.frauds + period.genuine
    base = period.frauds / labelled if labelled else 0.0
    roc = [Line(s.name, [(0.0, 0.0), *((p.false_positive_rate, p.recall) for p in s.curve)]) for s in scorers]
    recalled = [Line(s.name, [(p.recall, p.precision) for p in s.curve if p.recall > 0]) for s in scorers]
    plots = [
        line_chart(
            "ROC",
            Axis("share of genuine payments alerted", *_SHARE),
            Axis("share of frauds caught", *_SHARE),
            [*roc, Line("chance", [(0, 0), (1, 1)], dashed=True)],
        ),
        line_chart(
            "Precision and recall",
            Axis("share of frauds caught", *_SHARE),
            Axis("share of alerts that are fraud", *_SHARE),
            [*recalled, Line("chance", [(0, base), (1, base)], dashed=True)],
        ),
    ]
    head = ["scorer", "AUC ROC", "95 %", "average precision", "95 %", "AUC less champion", "AP less champion"]
    rows = [
        [
            scorer.name,
            measure(scorer.auc),
            _interval(scorer.intervals.get("auc")),
            measure(scorer.average_precision),
            _interval(scorer.intervals.get("average_precision")),
            _interval(scorer.difference.get("auc")),
            _interval(scorer.difference.get("average_precision")),
        ]
        for scorer in scorers
    ]
    note = "With rare fraud the right plot tells more: it shows how many genuine customers each fraud caught costs."
    return join([element("p", text(note), class_="note"), _plots(plots), table(head, rows)])


def card_section(evaluation: Evaluation) -> Markup:
    """Card Precision@k by day."""
    first = evaluation.scorers[0].card_precision
    note = (
        f"Each day the {first.k} accounts with the highest scores are looked at; the share that had a fraud that day. "
        "Accounts found leave. Days with few compromised accounts cannot reach much: 'possible' is what there was."
    )
    names = [day_text(day.day)[5:] for day in first.days]
    series = [(s.name, [day.precision for day in s.card_precision.days]) for s in evaluation.scorers]
    highest = max([value for _, values in series for value in values] + [0.05])
    plot = bar_chart("Card precision by day", Axis(f"precision@{first.k}", 0.0, highest, False, True), names, series)
    rows = [
        [
            s.name,
            measure(s.card_precision.mean),
            _interval(s.card_precision.interval),
            measure(s.card_precision.perfect),
        ]
        for s in evaluation.scorers
    ]
    days = [
        [day_text(day.day), count(day.accounts), count(day.compromised), count(day.found), share(day.precision)]
        for day in first.days
    ]
    return join(
        [
            element("p", text(note), class_="note"),
            _plots([plot]),
            table(["scorer", "mean", "95 %", "perfect"], rows),
            _details(f"Days of {evaluation.scorers[0].name}",
                     table(["day", "accounts", "possible", "found", "precision"], days)),
        ]
    )  # fmt: skip


def week_section(evaluation: Evaluation) -> Markup:
    """Precision and recall by week, at one threshold."""
    scorers = evaluation.scorers
    names = [day_text(week.first_day)[5:] for week in scorers[0].weeks]
    series = [(s.name, [week.at_threshold.precision or 0.0 for week in s.weeks]) for s in scorers]
    plot = bar_chart("Precision by week, at the threshold of the budget", Axis("precision", *_SHARE), names, series)
    head = ["scorer", "week of", "payments", "frauds", "AUC", "AP", "alerts a day", "precision", "recall", "drift"]
    rows = [
        [
            scorer.name, day_text(week.first_day), count(week.payments), count(week.frauds), measure(week.auc),
            measure(week.average_precision), f"{week.at_threshold.alerts_per_day:,.1f}",
            share(week.at_threshold.precision), share(week.at_threshold.recall), measure(week.stability_index),
        ]
        for scorer in scorers
        for week in scorer.weeks
    ]  # fmt: skip
    note = "The first and the last week may be short. Alerts a day are per day with payments. Drift: see below."
    return join([element("p", text(note), class_="note"), _plots([plot]), table(head, rows, numbers_from=2)])


def folds_section(evaluation: Evaluation) -> Markup:
    """The measures of each of several periods, and their mean and deviation."""
    if not evaluation.folds:
        return element("p", text("One period was measured. --folds measures those that follow it, too."), class_="note")
    rows = []
    for scorer in evaluation.folds:
        for fold in scorer.folds:
            measures = [measure(getattr(fold, name)) for name in MEASURES]
            rows.append([scorer.name, utc_text(fold.from_ms), count(fold.payments), count(fold.frauds), *measures])
        means = [f"{measure(scorer.mean[name])} ± {measure(scorer.deviation[name])}" for name in MEASURES]
        rows.append([scorer.name, "mean ± deviation", "", "", *means])
    head = ["scorer", "from", "payments", "frauds", "AUC", "AP", "card precision", "precision", "recall"]
    return table(head, rows, numbers_from=2)


def typology_section(evaluation: Evaluation) -> Markup:
    """What is caught of each kind of fraud."""
    head = ["scorer", "kind of fraud", "frauds", "AUC", "at the budget", "share", "alerted as raised"]
    rows = [
        [s.name, each.name, count(each.frauds), measure(each.auc), count(each.at_threshold),
         share(each.at_threshold / each.frauds), count(each.alerted)]
        for s in evaluation.scorers
        for each in s.typologies
    ]  # fmt: skip
    if not rows:
        return element("p", text("The file names no kinds of fraud (`label.typology` of the mapping)."), class_="note")
    return table(head, rows, numbers_from=2)


def calibration_section(evaluation: Evaluation) -> Markup:
    """Whether scores are probabilities."""
    lowest = min(
        [bin_.mean_score for s in evaluation.scorers for bin_ in s.calibration.bins if bin_.mean_score > 0]
        + [bin_.fraud_share for s in evaluation.scorers for bin_ in s.calibration.bins if bin_.fraud_share > 0]
        + [0.01]
    )
    low = max(lowest, 1e-5)
    x = Axis("score says", low, 1.0, logarithmic=True, percent=True)
    y = Axis("share that was fraud", low, 1.0, logarithmic=True, percent=True)
    lines = [_reliability(s) for s in evaluation.scorers]
    plot = line_chart("Reliability", x, y, [*lines, Line("exact", [(low, low), (1, 1)], dashed=True)])
    rows = [
        [s.name, _decimals(s.calibration.brier), _decimals(s.calibration.brier_of_base_rate),
         _decimals(s.calibration.expected_error)]
        for s in evaluation.scorers
    ]  # fmt: skip
    bins = [
        [s.name, f"{score_text(b.low)} to {score_text(b.high)}", count(b.payments), count(b.frauds),
         share(b.mean_score, 2), share(b.fraud_share, 2),
         f"{share(b.fraud_share_low, 2)} to {share(b.fraud_share_high, 2)}"]
        for s in evaluation.scorers
        for b in s.calibration.bins
    ]  # fmt: skip
    note = (
        "On the dashed line a score of 10 % means one fraud in ten. A score that is no probability can rank well and "
        "be far off the line. Brier: mean squared error, less is better; beside it, that of the base rate."
    )
    head = ["scorer", "scores", "payments", "frauds", "score says", "was fraud", "95 %"]
    return join(
        [
            element("p", text(note), class_="note"),
            _plots([plot]),
            table(["scorer", "Brier", "of the base rate", "mean error of bins"], rows),
            _details("Bins", table(head, bins, numbers_from=2)),
            _details("By the source of the label", _label_sources(evaluation)),
        ]
    )


def _label_sources(evaluation: Evaluation) -> Markup:
    """Whether scores are probabilities of what each source says."""
    head = [
        "scorer",
        "source",
        "labels",
        "frauds",
        "mean confidence",
        "Brier",
        "of the base rate",
        "mean error of bins",
    ]
    rows = [
        [s.name, "other sources" if each.others else each.source or "no source named", count(each.labels),
         count(each.frauds), share(each.confidence, 1), _decimals(each.brier), _decimals(each.brier_of_base_rate),
         _decimals(each.expected_error)]
        for s in evaluation.scorers
        for each in s.label_sources
    ]  # fmt: skip
    return table(head, rows, numbers_from=2)


def _reliability(scorer: ScorerQuality) -> Line:
    bins = scorer.calibration.bins
    return Line(
        scorer.name,
        [(each.mean_score, each.fraud_share) for each in bins],
        dots=True,
        intervals=[(each.fraud_share_low, each.fraud_share_high) for each in bins],
    )


def _plots(plots: list[Markup]) -> Markup:
    return element("div", join(plots), class_="plots")


def _details(name: str, content: Markup) -> Markup:
    return element("details", join([element("summary", text(name)), content]))


def _interval(interval: Interval | None, percent: bool = False) -> str:
    if interval is None:
        return NONE
    if percent:
        return f"{interval.low * 100:.1f} to {interval.high * 100:.1f} %"
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _decimals(value: float | None) -> str:
    return NONE if value is None else f"{value:.5f}"
