"""The difference that changed rules make, for a terminal and as Markdown: the same tables in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.evaluation.rule_difference import (
        AlertGroup,
        Detected,
        Example,
        RuleChange,
        RuleDifference,
        SideResult,
    )

OVERLAPS_SHOWN = 5


class TextTable(NamedTuple):
    """A table of texts. `columns`: headings. The first `words` columns are of words, the others of numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


def print_difference(difference: RuleDifference) -> None:
    """Print it to stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(headline(difference), markup=False)
    for table in tables(difference):
        console.print()
        drawn = Table(box=None, title=table.title or None, title_justify="left", title_style="bold", pad_edge=False)
        for number, column in enumerate(table.columns):
            drawn.add_column(column, justify="left" if number < table.words else "right", overflow="fold")
        for row in table.rows:
            drawn.add_row(*map(Text, row))
        console.print(drawn)
    for title, examples in _examples(difference):
        console.print(f"\n{title}", style="bold")
        for each in examples:
            told = f"{each.label}, " if each.label else ""
            console.print(Text(f"{_seen(each)}, {told}{each.outcome_before} → {each.outcome_after}"))
            console.print(Text(f"    {each.reason}"))


def markdown(difference: RuleDifference) -> str:
    """It as Markdown, with a line break at the end."""
    found = list(tables(difference))
    for title, examples in _examples(difference):
        rows = [
            (_seen(each), each.label or "-", f"{each.outcome_before} → {each.outcome_after}", each.reason)
            for each in examples
        ]
        found.append(TextTable(title, ("payment", "label", "outcome", "reason"), rows, words=4))
    parts = [f"### {headline(difference)}"]
    for table in found:
        aligned = ["---" if number < table.words else "---:" for number in range(len(table.columns))]
        lines = [_row(table.columns), _row(aligned), *[_row([_escaped(cell) for cell in row]) for row in table.rows]]
        parts.append("\n".join([*([f"**{table.title}**", ""] if table.title else []), *lines]))
    return "\n\n".join(parts) + "\n"


def headline(difference: RuleDifference) -> str:
    """The most important in one sentence."""
    gained, lost = difference.gained.alerts.count, difference.lost.alerts.count
    days = f" in {difference.days:.1f} days" if difference.days else ""
    warm_up = f", after {difference.warm_up:,} that fill the state" if difference.warm_up else ""
    of = f"{difference.payments:,} payments{days}{warm_up}"
    if difference.old.rule_set == difference.new.rule_set:
        return f"Both rule sets are {difference.new.rule_set}: no alert differs on {of}."
    return f"Alerts gained: {gained:,}, lost: {lost:,}, unchanged: {difference.unchanged.alerts.count:,}, on {of}."


def tables(difference: RuleDifference) -> Iterator[TextTable]:
    """The tables, without those that would be empty."""
    yield _sides(difference)
    yield _groups(difference)
    if any(group.amounts for group in (difference.gained, difference.lost, difference.unchanged)):
        yield _money_table(difference)
    if difference.outcome_changes:
        rows = [(f"{each.before} → {each.after}", f"{each.payments:,}") for each in difference.outcome_changes]
        yield TextTable("", ("outcome", "payments"), rows)
    if rules := [rule for rule in difference.rules if rule.change != "same" or rule.before != rule.after]:
        yield _rules(rules)
    if overlaps := [row for rule in difference.rules for row in _overlap(rule)]:
        yield TextTable(
            "Where new and changed rules fire",
            ("rule", "most often with", "alone", "with the score"),
            overlaps,
            words=2,
        )


def _sides(difference: RuleDifference) -> TextTable:
    old, new = difference.old, difference.new
    rows = [
        ("alerts", _count(old.alerts), _count(new.alerts), f"{_of(new) - _of(old):+,}"),
        ("alerts a day", _number(old.alerts.per_day), _number(new.alerts.per_day), ""),
        ("precision", _percent(old.alerts.alerts.precision), _percent(new.alerts.alerts.precision), ""),
        ("recall", _percent(old.recall), _percent(new.recall), ""),
        ("fraud alerted", _fraud_money(old, difference), _fraud_money(new, difference), ""),
        ("analyst hours", f"{old.analyst_hours:,.1f}", f"{new.analyst_hours:,.1f}", _hours(old, new)),
        ("score reaches", f"{old.score.count:,}", f"{new.score.count:,}", f"{new.score.count - old.score.count:+,}"),
        ("undecided", f"{old.undecided:,}", f"{new.undecided:,}", ""),
        ("µs a payment", f"{old.us_a_payment:.1f}", f"{new.us_a_payment:.1f}", ""),
    ]
    return TextTable("", ("", f"old {old.rule_set}", f"new {new.rule_set}", "difference"), rows)


def _groups(difference: RuleDifference) -> TextTable:
    rows = []
    for name, group in _named_groups(difference):
        found = group.alerts
        counts = (f"{found.count:,}", _number(group.per_day), f"{found.frauds:,}", f"{found.genuine:,}")
        rows.append((name, *counts, _percent(found.precision)))
    return TextTable("", ("", "alerts", "a day", "frauds", "genuine", "precision"), rows)


def _money_table(difference: RuleDifference) -> TextTable:
    """The money of the alerts by currency, then all of it in the base currency."""
    groups = _named_groups(difference)
    rows = []
    for currency in sorted({currency for _, group in groups for currency in group.amounts}):
        amounts = [group.amounts.get(currency, "0") for _, group in groups]
        rows.append((currency, *amounts, *[group.fraud_amounts.get(currency, "0") for _, group in groups[:2]]))
    if (base := difference.base_currency) is not None:
        in_base = [group.base_amount or "0" for _, group in groups]
        rows.append((f"all in {base}", *in_base, *[group.fraud_base_amount or "0" for _, group in groups[:2]]))
    return TextTable("Money", ("", "gained", "lost", "unchanged", "fraud gained", "fraud lost"), rows)


def _named_groups(difference: RuleDifference) -> list[tuple[str, AlertGroup]]:
    return [("gained", difference.gained), ("lost", difference.lost), ("unchanged", difference.unchanged)]


def _rules(rules: Sequence[RuleChange]) -> TextTable:
    columns = ("rule", "change", "fired before", "after", "precision before", "after")
    rows = []
    for rule in rules:
        fired = (_fired(rule.before), _fired(rule.after))
        rows.append((rule.rule, _change(rule), *fired, _precision(rule.before), _precision(rule.after)))
    return TextTable("Rules", columns, rows, words=2)


def _change(rule: RuleChange) -> str:
    """What has changed, with the status where that did: 'changed: when, shadow → live'."""
    told = [name for name in rule.changed if name != "status"]
    if rule.status_before != rule.status_after and rule.status_before and rule.status_after:
        told.append(f"{rule.status_before} → {rule.status_after}")
    elif rule.change == "new" and rule.status_after == "shadow":
        told.append("shadow")
    return f"{rule.change}: {', '.join(told)}" if told else rule.change


def _overlap(rule: RuleChange) -> Iterator[tuple[str, str, str, str]]:
    if rule.overlap is None:
        return
    others = list(rule.overlap.with_rules.items())
    shown = ", ".join(f"{name} {count:,}" for name, count in others[:OVERLAPS_SHOWN])
    more = f" and {len(others) - OVERLAPS_SHOWN} more" if len(others) > OVERLAPS_SHOWN else ""
    yield rule.rule, f"{shown}{more}" or "-", f"{rule.overlap.alone:,}", f"{rule.overlap.with_score:,}"


def _examples(difference: RuleDifference) -> list[tuple[str, Sequence[Example]]]:
    """The examples that there are, with their titles."""
    both = (("Gained, for example", difference.examples_gained), ("Lost, for example", difference.examples_lost))
    return [(title, examples) for title, examples in both if examples]


def _seen(each: Example) -> str:
    return f"{utc_text(each.occurred_at_ms)}  {each.event_id}  {each.amount} {each.currency}"


def _of(side: SideResult) -> int:
    return side.alerts.alerts.count


def _count(group: AlertGroup) -> str:
    return f"{group.alerts.count:,}"


def _hours(old: SideResult, new: SideResult) -> str:
    return f"{new.analyst_hours - old.analyst_hours:+,.1f}"


def _fired(found: Detected | None) -> str:
    return "-" if found is None else f"{found.count:,}"


def _precision(found: Detected | None) -> str:
    return "-" if found is None else _percent(found.precision)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _fraud_money(side: SideResult, difference: RuleDifference) -> str:
    """The amount of the frauds alerted, in the base currency where there is one."""
    if difference.base_currency is not None:
        return f"{side.alerts.fraud_base_amount} {difference.base_currency}"
    return ", ".join(f"{amount} {currency}" for currency, amount in side.alerts.fraud_amounts.items()) or "0"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(cell: str) -> str:
    """The text of a cell, so that it is no markup: ids and messages hold what publishers have sent."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>()#|!~" else each for each in cell.replace("\n", " "))
