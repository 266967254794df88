"""What was done to a case, in the order of the log: its newest actions that took effect. Pure.

The topic `case-actions` has every action for some months, the refused ones too. The case keeps those that took effect,
so that a report of it needs no other source. It keeps the newest `STEPS_KEPT`, or fewer if they are long.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from fraudstream.cases.refusal import acted_at_ms, until_ms
from fraudstream.contracts import Case, CaseAction, CaseStep
from fraudstream.contracts.timestamps import utc_text

STEPS_KEPT: Final = 100
DIGITS_SHOWN: Final = 12  # of a file's digest; its name may say who it is about
MERGED_STEPS_BYTES_MAX: Final = 8 * 1024
STEPS_BYTES_MAX: Final = 32 * 1024  # as JSON, so that a case stays below 1 MB, the largest Kafka record


def with_step(case: Case, action: CaseAction, other_case_id: str | None = None) -> Case:
    """The case, as it is after `action`, with a step for it. `other_case_id`: of a merge or split, the other case as
    this one has it."""
    detail = other_case_id or _detail(case, action)
    return step_added(case, CaseStep(acted_at_ms(action), action.actor, action.action, case.version, detail))


def step_added(case: Case, step: CaseStep) -> Case:
    """The case with one more step. One that was merged keeps fewer: it is written with the case that it was merged
    into."""
    bytes_max = STEPS_BYTES_MAX if case.merged_into is None else MERGED_STEPS_BYTES_MAX
    steps = (*case.steps, step)[-STEPS_KEPT:]
    while len(steps) > 1 and len(msgspec.json.encode(steps)) > bytes_max:
        steps = steps[1:]
    return replace(case, steps=steps)


def _detail(case: Case, action: CaseAction) -> str | None:
    """What the action has beyond its name and its note; who got the case, if its queue has assigned it."""
    until = until_ms(action)
    sha256 = action.sha256 if action.file is None else action.file.sha256
    parts = (
        action.assignee,
        action.waiting_for,
        action.escalate_to,
        action.other_case_id,
        action.disposition,
        action.typology,
        action.timer,
        case.assignee if action.timer == "assignment" else None,
        action.tag,
        action.event_id,
        action.severity,
        None if sha256 is None else sha256[:DIGITS_SHOWN],
        None if until is None else utc_text(until),
    )
    return " ".join(part for part in parts if part is not None) or None
