"""The timeline of a case: its alerts, what was done to it, and the notes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fraudstream.console.report.content import TimelineEntry
from fraudstream.contracts import Case


def timeline_of(case: Case) -> tuple[TimelineEntry, ...]:
    """What happened, in order of time. The note of an action is told with the action."""
    return tuple(sorted(_entries(case), key=lambda entry: entry.at_ms))


def _entries(case: Case) -> Iterator[TimelineEntry]:
    for line in case.alerts:
        rules = ", ".join(line.rules) or None
        yield TimelineEntry(line.occurred_at_ms, "alert", line.event_id, None, rules, line.amount, line.currency)
    yield TimelineEntry(case.opened_at_ms, "opened", case.case_id)
    told = set()
    notes = {(note.at_ms, note.actor, note.action): note.text for note in case.notes}
    for step in case.steps:
        key = step.at_ms, step.actor, step.action
        told.add(key)
        told_of = ": ".join(part for part in (step.detail, notes.get(key)) if part)
        yield TimelineEntry(step.at_ms, "step", step.action, step.actor, told_of or None)
    for note in case.notes:
        if (note.at_ms, note.actor, note.action) not in told:
            yield TimelineEntry(note.at_ms, "note", note.action, note.actor, note.text)
