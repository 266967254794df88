"""The state of a run as text: lines, and cells of the screen."""

from __future__ import annotations

from typing import Final

from fraudstream.board.run_state import JudgedAlert, RunState, Totals
from fraudstream.contracts import Alert
from fraudstream.contracts.fields import SEVERITIES
from fraudstream.contracts.timestamps import utc_text

NO_RULE: Final = "no rule"  # in place of a rule: the score alone raised the alert


def alert_line(judged: JudgedAlert) -> str:
    """An alert in one line: time, account, amount, score, severity, rule and reason."""
    alert = judged.alert
    rule, reason = reason_of(alert)
    truth = {None: "", True: f" [fraud: {judged.truth}]", False: " [false alarm]"}[judged.is_right]
    return (
        f"alert {utc_text(alert.occurred_at_ms)} {alert.account_id} {amount_of(alert)} score {alert.score:.2f} "
        f"{alert.severity} {rule}: {reason}{truth}"
    )


def summary_line(state: RunState) -> str:
    """The current counts in one line."""
    latency = state.latency()
    parts = [
        state.phase,
        f"{state.payments:,} payments ({state.rate():,.0f}/s)",
        f"{state.decisions:,} decisions",
        f"p50 {milliseconds(latency.p50_ms)}, p99 {milliseconds(latency.p99_ms)}" if latency else "",
        f"{state.alerts_seen:,} alerts",
        f"{state.open_cases:,} open cases",
        found(state.totals()),
        f"{state.dead_letters:,} dead letters" if state.dead_letters else "",
    ]
    return " | ".join(part for part in parts if part)


def totals_line(totals: Totals) -> str:
    """The totals of a run in one line."""
    parts = [
        f"{totals.payments:,} payments",
        f"{totals.decisions:,} decisions",
        f"{totals.dead_letters:,} dead letters" if totals.dead_letters else "",
        f"{totals.alerts:,} alerts",
        f"{totals.cases:,} cases",
        found(totals),
    ]
    return f"{', '.join(part for part in parts if part)} in {totals.seconds:.0f} s."


def found(totals: Totals) -> str:
    """How many frauds were found, and the precision; empty if the frauds are not known."""
    if totals.precision is None:
        return ""
    return f"{totals.frauds_found:,} of {totals.frauds:,} frauds found, {totals.precision:.0%} of alerts right"


def reason_of(alert: Alert) -> tuple[str, str]:
    """The most severe rule that fired, and its message; if none fired, the score, its threshold and largest parts."""
    fired = [hit for hit in alert.rules if not hit.shadow]
    if fired:
        worst = max(fired, key=lambda hit: SEVERITIES.index(hit.severity))
        more = f" +{len(fired) - 1}" if len(fired) > 1 else ""
        return f"{worst.rule}{more}", worst.message
    parts = sorted((part for part in alert.score_parts if part.points), key=lambda part: -part.points)
    shown = [
        f"{part.part} {part.points:.2f}{' bits' if part.unit == 'bits' else ''}"
        + (f" ({part.value}, normal {part.normal})" if part.value and part.normal else "")
        for part in parts[:3]
    ]
    return NO_RULE, f"score {alert.score:.2f}, threshold {alert.score_threshold:g}: {', '.join(shown)}"


def amount_of(alert: Alert) -> str:
    """The payment's amount and currency."""
    return f"{money(alert.payment.amount)} {alert.payment.currency}"


def money(amount: str) -> str:
    """A decimal amount with separators between thousands.

    >>> money("1234567.80")
    '1,234,567.80'
    """
    whole, point, rest = amount.partition(".")
    return f"{int(whole):,}{point}{rest}"


def milliseconds(value: float) -> str:
    """A duration in ms, rounded for reading.

    >>> milliseconds(0.4), milliseconds(12.3), milliseconds(4_321)
    ('0.4 ms', '12 ms', '4.3 s')
    """
    if value >= 1_000:
        return f"{value / 1_000:.1f} s"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, with hours if needed.

    >>> clock(61), clock(3_725)
    ('01:01', '1:02:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
