"""One case on a terminal: its notes, and its alerts with their payments and reasons, equal alerts together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from fraudstream.cli import verdict_text
from fraudstream.cli.case_queue_text import amounts_text, rules_text, state_text, tags_text
from fraudstream.cli.verdict_text import heading, indented, time_text

if TYPE_CHECKING:
    from rich.console import Console

    from fraudstream.contracts import Alert, Case, CaseAlert, Payment

_IN_THE_HEADING: Final = frozenset(("event_id", "occurred_at", "account_id", "amount", "currency", "schema_version"))


def print_case(case: Case, alerts: Mapping[str, Alert], missing: str) -> None:
    """Print a case. `alerts`: those that could be read, by id; `missing`: why others could not."""
    console = verdict_text.console()
    console.print(Text(f"Case {case.case_id} of {', '.join(case.accounts)}", style="bold"))
    at = "" if case.closed_at_ms is None else f" at {time_text(case.closed_at_ms)}"
    console.print(indented(f"{state_text(case)}{at}, severity {case.severity}, score {case.score:.4f}"))
    console.print(indented(f"opened {time_text(case.opened_at_ms)}, last change {time_text(case.updated_at_ms)}"))
    shown = "" if len(case.alerts) == case.alert_count else f", the newest {len(case.alerts)} below"
    console.print(indented(f"alerts: {case.alert_count}{shown}; amounts: {amounts_text(case)}"))
    if case.tags:
        console.print(indented(f"tags: {tags_text(case.tags)}"))
    if case.split_from is not None:
        console.print(indented(f"split off from case {case.split_from}: new alerts of the account do not join it"))
    if case.links:
        console.print(indented(f"linked: {', '.join(case.links)}"))
    if case.notes:
        console.print(heading("Notes"))
    for note in case.notes:
        console.print(indented(f"{time_text(note.at_ms)} {note.actor} ({note.action}): {note.text}"))
    if case.files:
        console.print(heading("Files"))
    for file in case.files:
        by = f"{time_text(file.attached_at_ms)} {file.attached_by}"
        console.print(indented(f"{by}: {file.file_name} ({file.media_type}, {file.size_bytes:,} bytes)"))
        console.print(indented(f"sha256 {file.sha256}", by=4))
    for group in _equal_alerts(case, alerts):
        _print_group(console, group, alerts, missing)


def _equal_alerts(case: Case, alerts: Mapping[str, Alert]) -> list[list[CaseAlert]]:
    """The alerts of the case in groups of the same rules, severity and outcome, each in order of arrival."""
    groups: dict[tuple[object, ...], list[CaseAlert]] = {}
    for line in case.alerts:
        alert = alerts.get(line.alert_id)
        groups.setdefault((line.rules, line.severity, None if alert is None else alert.outcome), []).append(line)
    return list(groups.values())


def _print_group(console: Console, group: Sequence[CaseAlert], alerts: Mapping[str, Alert], missing: str) -> None:
    """The payments of equal alerts, then the reasons of the newest one."""
    newest = alerts.get(group[-1].alert_id)
    count = "1 alert" if len(group) == 1 else f"{len(group)} alerts"
    outcome = "" if newest is None else f"{newest.outcome}, "
    console.print(heading(f"{count}: {outcome}severity {group[-1].severity}: {rules_text(group[-1].rules)}"))
    for line in group:
        console.print(indented(f"{line.event_id}: {line.amount} {line.currency}, {time_text(line.occurred_at_ms)}"))
        of = "" if line.account_id is None else f", account {line.account_id}"
        console.print(indented(f"score {line.score:.4f}, alert {line.alert_id}{of}", by=4))
        if (alert := alerts.get(line.alert_id)) is not None and (fields := payment_fields(alert.payment)):
            console.print(indented(fields, by=4))
    if newest is None:
        console.print(indented(f"reasons unknown: {missing}"))
        return
    console.print(indented("reasons:" if len(group) == 1 else f"reasons of the newest, {newest.event_id}:"))
    _print_reasons(console, newest)


def _print_reasons(console: Console, alert: Alert) -> None:
    for hit in alert.rules:
        shadow = ", shadow: does not affect the outcome" if hit.shadow else ""
        console.print(indented(f"{hit.rule} ({hit.severity}{shadow}): {hit.message}", by=4))
        console.print(indented(verdict_text.comparisons([("", evidence) for evidence in hit.evidence]), by=6))
    if alert.score_parts:
        console.print(indented(f"score {alert.score:.4f}, threshold {alert.score_threshold:.4f}", by=4))
        console.print(indented(verdict_text.score_parts(alert.score_parts), by=6))


def payment_fields(payment: Payment) -> str:
    """The fields of a payment that its line does not show, each with its name: `kind transfer, device_id dev-3`."""
    fields = {name: getattr(payment, name) for name in payment.__struct_fields__ if name not in _IN_THE_HEADING}
    fields |= {f"attributes.{name}": value for name, value in (fields.pop("attributes") or {}).items()}
    return ", ".join(f"{name} {_plain(value)}" for name, value in fields.items() if value is not None)


def _plain(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
