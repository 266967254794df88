"""The queue of cases on a terminal of 80 columns: two lines a case, or more where it has many rules."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.contracts import Case

COLUMNS: Final = 80
ID_DIGITS_MIN: Final = 8
STATE_CHARACTERS_MAX: Final = 22
_HEADINGS = ("CASE", "SEVERITY", "SCORE", "OPENED", "ALERTS", "STATE")
_INDENT = "    "


def print_cases(cases: Sequence[Case]) -> None:
    """Print, of each case, a line of its own columns, and below it its account, amounts and rules."""
    if not cases:
        print("no cases")
        return
    digits = _unique_digits([case.case_id for case in cases])
    rows = [_HEADINGS, *(_row(case, digits) for case in cases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    below = ["", *(_below(case) for case in cases)]
    for row, lines in zip(rows, below, strict=True):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if lines:
            print(lines)


def amounts_text(case: Case) -> str:
    """The sum of the case's alerts, by currency."""
    return ", ".join(f"{amount} {currency}" for currency, amount in case.amount_totals.items())


def state_text(case: Case) -> str:
    """The status of the case, with who works it, whom it waits for, or how and by whom it was closed."""
    if case.proposal is not None:
        return f"proposed as {case.proposal.disposition} by {case.proposal.actor}"
    if case.snooze is not None:
        return f"put aside until {utc_text(case.snooze.until_ms)}"
    match case.status:
        case "new":
            return "new"
        case "assigned":
            return f"assigned to {case.assignee}"
        case "in_review":
            return f"in review by {case.assignee}"
        case "waiting":
            return f"waiting for {case.waiting_for}: {case.assignee}"
        case "escalated":
            return f"escalated to {case.escalated_to}"
        case "closed" if case.merged_into is not None:
            return f"merged into {case.merged_into} by {case.closed_by}"
        case "closed":
            typology = "" if case.typology is None else f" ({case.typology})"
            return f"closed as {case.disposition}{typology} by {case.closed_by}"


def rules_text(rules: Sequence[str]) -> str:
    """The rules of a case or an alert, or that it has none."""
    return ", ".join(rules) or "no rule: the score alone"


def tags_text(tags: Sequence[str]) -> str:
    """The tags, each after a number sign."""
    return " ".join(f"#{tag}" for tag in tags)


def _row(case: Case, digits: int) -> tuple[str, ...]:
    state = state_text(case)
    return (
        case.case_id[:digits],
        case.severity,
        f"{case.score:.4f}",
        utc_text(case.opened_at_ms),
        str(case.alert_count),
        state if len(state) <= STATE_CHARACTERS_MAX else f"{state[: STATE_CHARACTERS_MAX - 1]}…",
    )


def _below(case: Case) -> str:
    text = f"{', '.join(case.accounts)}: {amounts_text(case)}: {rules_text(case.rules)}"
    if case.tags:
        text += f" {tags_text(case.tags)}"
    return textwrap.fill(text, COLUMNS, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _unique_digits(ids: Sequence[str]) -> int:
    """How many digits make the ids distinct; at least `ID_DIGITS_MIN`."""
    return next((n for n in range(ID_DIGITS_MIN, 32) if len({each[:n] for each in ids}) == len(set(ids))), 32)
