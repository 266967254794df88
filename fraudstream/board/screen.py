"""The board as a screen of exactly `width` x `height` cells: counts on top, then alerts and cases, then processes.

80x24 shows everything; a larger terminal shows more alerts and cases, with dates and links, a smaller one is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from urllib.parse import urlsplit

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fraudstream.board import lines
from fraudstream.board.run_state import JudgedAlert, RunState
from fraudstream.contracts import Case
from fraudstream.contracts.fields import Severity
from fraudstream.contracts.timestamps import utc

ALERT_LINES = 2
PROCESSES_SHOWN = 4  # on a small screen
WIDE = 100  # columns from which on dates and links are shown
BORDER = 2

SEVERITY_STYLES = {"low": "cyan", "medium": "yellow", "high": "bold red", "critical": "bold white on red"}
STATUS_STYLES = {"ready": "green", "starting": "yellow", "restarting": "bold red", "stopped": "dim"}
TRUTH_MARKS = {True: ("●", "green"), False: ("○", "dim"), None: (" ", "")}


def screen(state: RunState, width: int, height: int) -> RenderableType:
    """The whole board, `width` x `height` characters; long lines are cut, never wrapped."""
    top: list[RenderableType] = [_title(state, width), _counts(state)]
    wide = width >= WIDE
    processes = _processes(state, wide, PROCESSES_SHOWN if height < 32 else max(PROCESSES_SHOWN, height // 4))
    bottom = [*processes, *_endpoints(state, width), _notice(state)]
    left = height - 1 - 2 - len(bottom)
    cases = 2 if left < 14 else min(left // 4, 8)
    alerts = max(1, (left - cases - 2 * BORDER) // ALERT_LINES)
    cases = max(1, left - 2 * BORDER - alerts * ALERT_LINES)
    return Group(
        *top,
        _panel("alerts", _alert_rows(state, alerts, wide), alerts * ALERT_LINES, _legend(state)),
        _panel("cases", _case_rows(state, cases, wide), cases, f"{state.open_cases:,} open"),
        *bottom,
    )


def _title(state: RunState, width: int) -> Text:
    left = Text.assemble((" fraudstream ", "bold reverse"), " ", (state.phase, "bold"))
    right = f"{lines.clock(state.seconds)}  Ctrl-C stops"
    left.truncate(width - len(right) - 1, overflow="ellipsis", pad=True)
    return _line(left.append(" ").append(right, "dim"))


def _counts(state: RunState) -> Table:
    latency, precision = state.latency(), state.precision()
    cells = {
        "payments": f"{state.payments:,}",
        "a second": f"{state.rate():,.0f}",
        "decisions": f"{state.decisions:,}",
        "p50": lines.milliseconds(latency.p50_ms) if latency else "-",
        "p99": lines.milliseconds(latency.p99_ms) if latency else "-",
        "alerts": f"{state.alerts_seen:,}",
        "precision": f"{precision:.0%}" if precision is not None else "-",
        "found": f"{state.frauds_found}/{state.frauds}" if state.frauds else "-",
    }
    if state.dead_letters:
        cells["dead"] = f"{state.dead_letters:,}"
    table = Table.grid(expand=True, padding=(0, 1))
    for _ in cells:
        table.add_column(no_wrap=True, ratio=1)
    table.add_row(*(Text(name, "dim") for name in cells))
    table.add_row(*(Text(value, "bold") for value in cells.values()))
    return table


def _panel(title: str, rows: Sequence[Text], height: int, note: str) -> Panel:
    padded = [*rows, *(Text() for _ in range(height - len(rows)))]
    heading = Text.assemble((title, "bold"), ("  " + note if note else "", "dim"))
    return Panel(Group(*padded), title=heading, title_align="left", border_style="blue", padding=(0, 1))


def _legend(state: RunState) -> str:
    return "● fraud  ○ false alarm, as the labels will say" if state.precision() is not None else ""


def _alert_rows(state: RunState, count: int, wide: bool) -> list[Text]:
    newest = list(islice(reversed(state.alerts), count))
    return [row for judged in newest for row in _alert_row(judged, wide)]


def _alert_row(judged: JudgedAlert, wide: bool) -> tuple[Text, Text]:
    alert = judged.alert
    rule, reason = lines.reason_of(alert)
    mark, mark_style = TRUTH_MARKS[judged.is_right]
    first = Text.assemble(
        (mark, mark_style),
        *_head(alert.occurred_at_ms, alert.account_id, lines.amount_of(alert), alert.score, alert.severity, wide),
        rule,
    )
    return _line(first), _line(Text(f"  {reason}", "italic"))


def _case_rows(state: RunState, count: int, wide: bool) -> list[Text]:
    return [_case_row(case, wide) for case in islice(reversed(state.cases.values()), count)]


def _case_row(case: Case, wide: bool) -> Text:
    totals = ", ".join(f"{lines.money(amount)} {currency}" for currency, amount in case.amount_totals.items())
    alerts = f"{case.alert_count} alert{'s' if case.alert_count > 1 else ''}"
    return _line(
        Text.assemble(
            " ",
            *_head(case.opened_at_ms, case.account_id, totals, case.score, case.severity, wide),
            f"{alerts}, {case.status}: ",
            (", ".join(case.rules) or lines.NO_RULE, "dim"),
        )
    )


def _head(
    at_ms: int, account_id: str, amount: str, score: float, severity: Severity, wide: bool
) -> tuple[tuple[str, str], ...]:
    """The columns that alerts and cases share: time, account, amount, score, severity."""
    gap = "  " if wide else " "
    at = utc(at_ms)
    return (
        (f" {at:%d %b %H:%M}" if wide else f" {at:%H:%M}", "dim"),
        (f"{gap}{_cut(account_id, 14):<{14 if wide else 12}}", ""),
        (f" {amount:>{15 if wide else 13}}", "bold"),
        (f"{gap}{score:.2f}{gap}", ""),
        (f"{severity:^8}", SEVERITY_STYLES[severity]),
        (gap, ""),
    )


def _processes(state: RunState, wide: bool, shown: int) -> list[Text]:
    rows = []
    for process in state.processes[:shown]:
        rows.append(
            _line(
                Text.assemble(
                    ("● ", STATUS_STYLES.get(process.status, "")),
                    f"{process.name:<10}",
                    (f"{process.status:<{11 if wide else 9}}", STATUS_STYLES.get(process.status, "")),
                    f"{process.detail}  ",
                    (process.metrics_url if wide else urlsplit(process.metrics_url).netloc, "dim"),
                )
            )
        )
    if len(state.processes) > shown:
        rest = state.processes[shown:]
        ready = sum(process.status == "ready" for process in rest)
        rows.append(_line(Text(f"  and {len(rest)} more, {ready} of them ready", "dim")))
    return rows


def _endpoints(state: RunState, width: int) -> list[Text]:
    """The endpoints, as many to a line as fit."""
    rows: list[Text] = []
    for name, endpoint in state.endpoints.items():
        cell = Text.assemble((f"{name} ", "dim"), endpoint)
        if rows and rows[-1].cell_len + 3 + cell.cell_len <= width:
            rows[-1].append("   ").append_text(cell)
        else:
            rows.append(cell)
    return [_line(row) for row in rows]


def _notice(state: RunState) -> Text:
    return _line(Text(state.notice, "yellow"))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
