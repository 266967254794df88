"""Cases on a terminal: the queue as a table, one case with its alerts and their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from fraudstream.cli import verdict_text
from fraudstream.cli.verdict_text import heading, indented, time_text
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from rich.console import Console

    from fraudstream.contracts import Alert, Case, CaseAlert

_HEADINGS = ("CASE", "SEVERITY", "SCORE", "OPENED", "STATE", "ACCOUNT", "ALERTS")


def print_cases(cases: Sequence[Case]) -> None:
    """One line each under column headings, amounts and rules last. Lines are not wrapped, so they can be sorted."""
    if not cases:
        print("no cases")
        return
    rows = [_HEADINGS, *(_row(case) for case in cases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    ends = ["AMOUNTS: RULES", *(f"{_amounts(case)}: {', '.join(case.rules)}" for case in cases)]
    for row, end in zip(rows, ends, strict=True):
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), end]))


def print_case(case: Case, alerts: Mapping[str, Alert], missing: str) -> None:
    """Print a case. `alerts`: those that could be read, by id; `missing`: why others could not."""
    console = verdict_text.console()
    console.print(Text(f"Case {case.case_id} of {case.account_id}", style="bold"))
    state = case.disposition or case.assignee or ""
    console.print(
        indented(f"{case.status}{f' ({state})' if state else ''}, severity {case.severity}, score {case.score:.4f}")
    )
    console.print(indented(f"opened {time_text(case.opened_at_ms)}, last change {time_text(case.updated_at_ms)}"))
    shown = "" if len(case.alerts) == case.alert_count else f", the newest {len(case.alerts)} below"
    console.print(indented(f"alerts: {case.alert_count}{shown}; amounts: {_amounts(case)}"))
    if case.note:
        console.print(indented(f"note: {case.note}"))
    for line in case.alerts:
        _print_alert(console, line, alerts.get(line.alert_id), missing)


def _print_alert(console: Console, line: CaseAlert, alert: Alert | None, missing: str) -> None:
    console.print(heading(f"{line.event_id}: {line.amount} {line.currency}, {time_text(line.occurred_at_ms)}"))
    outcome = "" if alert is None else f"{alert.outcome}, "
    console.print(indented(f"{outcome}severity {line.severity}, score {line.score:.4f}; alert {line.alert_id}"))
    if alert is None:
        console.print(indented(f"rules: {', '.join(line.rules) or 'none, the score alone'}"))
        console.print(indented(f"reasons unknown: {missing}"))
        return
    for hit in alert.rules:
        shadow = ", shadow: does not affect the outcome" if hit.shadow else ""
        console.print(indented(f"{hit.rule} ({hit.severity}{shadow}): {hit.message}"))
        console.print(indented(verdict_text.comparisons([("", evidence) for evidence in hit.evidence]), by=2))
    if alert.score_parts:
        console.print(indented(f"score {alert.score:.4f} (alert threshold {alert.score_threshold:.4f})"))
        console.print(indented(verdict_text.score_parts(alert.score_parts), by=4))


def _row(case: Case) -> tuple[str, ...]:
    return (
        case.case_id,
        case.severity,
        f"{case.score:.4f}",
        utc_text(case.opened_at_ms),
        case.disposition or case.assignee or case.status,
        case.account_id,
        str(case.alert_count),
    )


def _amounts(case: Case) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in case.amount_totals.items())
