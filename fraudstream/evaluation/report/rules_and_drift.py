"""The sections of the report about rules and about drift."""

from __future__ import annotations

from fraudstream.evaluation.drift import MOVED, STABLE, Drift
from fraudstream.evaluation.report.chart import Axis, bar_chart
from fraudstream.evaluation.report.markup import Markup, count, element, join, measure, share, table, text
from fraudstream.evaluation.results import Evaluation

PLOTS_MAX = 6


def rules_section(evaluation: Evaluation) -> Markup:
    """Live rules, then shadow rules with what they would add."""
    head = ["rule", "fired", "of payments", "on fraud", "on genuine", "precision", "recall", "alone"]
    parts = []
    for status, name in (("live", "Live rules"), ("shadow", "Shadow rules: recorded, not acted on")):
        rules = [rule for rule in evaluation.rules if rule.status == status]
        if not rules:
            continue
        extra = ["not alerted", "frauds of them"] if status == "shadow" else []
        rows = [
            [rule.rule, count(rule.fired), share(rule.fired_share, 2), count(rule.on_fraud), count(rule.on_genuine),
             share(rule.precision), share(rule.recall), count(rule.unique_frauds),
             *([count(rule.not_alerted), count(rule.not_alerted_frauds)] if extra else [])]
            for rule in rules
        ]  # fmt: skip
        parts += [element("h3", text(name)), table([*head, *extra], rows)]
    if not parts:
        return element("p", text("No rule fired."), class_="note")
    note = (
        "Alone: frauds on which no other live rule fired, which would be missed without the rule if the score missed "
        "them too. Not alerted: what a shadow rule would add if it went live."
    )
    return join([element("p", text(note), class_="note"), *parts])


def drift_section(evaluation: Evaluation) -> Markup:
    """The population stability of scores and features, and the distributions that moved the most."""
    if not evaluation.drift:
        return element(
            "p",
            text("Nothing to compare with: give --from, so that the payments before it are the reference, or "
                 "--reference."),
            class_="note",
        )  # fmt: skip
    note = (
        f"Population stability index against {evaluation.drift_reference}: below {STABLE} the distribution is stable, "
        f"from {MOVED} on it has moved, so that thresholds and weights set on the reference may no longer fit."
    )
    rows = [
        [each.reference.name, measure(each.index), each.verdict, count(sum(each.reference.all_counts)),
         count(sum(each.counts)), _missing(each.reference.all_counts), _missing(each.counts)]
        for each in evaluation.drift
    ]  # fmt: skip
    head = ["score or feature", "index", "verdict", "reference", "compared", "missing before", "missing now"]
    plots = [_distribution(each) for each in evaluation.drift[:PLOTS_MAX]]
    return join([element("p", text(note), class_="note"), table(head, rows),
                 element("div", join(plots), class_="plots")])  # fmt: skip


def _missing(counts: tuple[int, ...]) -> str:
    return share(counts[-1] / sum(counts) if sum(counts) else None)


def _distribution(drift: Drift) -> Markup:
    edges = drift.reference.edges
    names = [f"≤ {edge:.3g}" for edge in edges] + [f"> {edges[-1]:.3g}" if edges else "all", "missing"]
    before, now = _shares(drift.reference.all_counts), _shares(drift.counts)
    axis = Axis("share of payments", 0.0, max([*before, *now, 0.01]), percent=True)
    title = f"{drift.reference.name}: {drift.index:.3f}, {drift.verdict}"
    return bar_chart(title, axis, names, [("reference", before), ("compared", now)])


def _shares(counts: tuple[int, ...]) -> list[float]:
    total = sum(counts)
    return [each / total if total else 0.0 for each in counts]
