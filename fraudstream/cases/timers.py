"""The timers of a case: service levels, the end of a wait and of a snooze. Pure: the clock is the caller's.

A timer takes effect by a record: the case agent publishes an action `expire` that names the timer and its time
(`expiry_of`), which is then applied in order like every other action. So a case follows from its records alone, and a
timer that was published twice, or by an agent that was paused, changes nothing.

    wait     stops the service level's clock; its timers move on by as long as the case has waited
    assignment  a new case of a queue that assigns cases is given to an analyst; only while it is nobody's
    acting   ends the timers of the first action, whatever the action is
    closing  ends all
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from msgspec.structs import replace

from fraudstream.cases.policy import Queue, ServiceLevel
from fraudstream.cases.transitions import STATUS_AFTER
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.case_timers import CaseTimer, TimerName
from fraudstream.contracts.duration import parse_duration

Level = Literal["within", "warned", "breached"]

ACTOR: Final = "fraudstream"  # of expiries
_FIRST_ACTION: Final[tuple[TimerName, TimerName]] = ("first_action_warning", "first_action_breach")
_CLOSING: Final[tuple[TimerName, TimerName]] = ("closing_warning", "closing_breach")
# Not of a service level.
_OWN: Final[frozenset[TimerName]] = frozenset(("waiting_end", "notice_end", "snooze_end", "assignment"))


def level_of(case: Case) -> Level:
    """What the service level of a case has come to."""
    return "breached" if case.breached_at_ms is not None else "warned" if case.warned_at_ms is not None else "within"


def live_timers(case: Case) -> tuple[CaseTimer, ...]:
    """The timers that run. While the case waits, those of its service level stand still."""
    if case.status == "closed":
        return ()
    return tuple(each for each in case.timers if _runs(case, each))


def _runs(case: Case, timer: CaseTimer) -> bool:
    if timer.name == "assignment":
        return case.status == "new" and case.assignee is None and case.snooze is None and case.proposal is None
    return case.status != "waiting" or timer.name in _OWN


def due_timer(case: Case) -> CaseTimer | None:
    """The timer that is due first."""
    return min(live_timers(case), key=lambda each: (each.due_at_ms, each.name), default=None)


def expiry_of(case: Case, timer: CaseTimer, absent: Collection[str] = ()) -> CaseAction:
    """The action by which the timer takes effect; the same each time it is asked for at one version of the case.
    `absent`: of the timer `assignment`, which a case may have at one time more than once."""
    version = f"/{case.version}" if timer.name == "assignment" else ""
    return CaseAction(
        action_id=f"{case.case_id[:64]}/{timer.name}/{timer.due_at_ms}{version}",
        case_id=case.case_id,
        account_id=case.account_id,
        action="expire",
        actor=ACTOR,
        acted_at=timer.due_at_ms,
        timer=timer.name,
        absent=tuple(sorted(absent)),
    )


def expired(case: Case, timer: CaseTimer) -> Case:
    """The case once the timer is due; version and time are the caller's to change."""
    left = replace(case, timers=tuple(each for each in case.timers if each != timer))
    match timer.name:
        case "snooze_end":
            return replace(left, snooze=None)
        case "assignment":
            raise AssertionError("who gets the case is for `lifecycle.assigned_by_queue`")
        case "waiting_end":
            return resumed(replace(left, status="in_review", waiting_for=None), timer.due_at_ms)
        case "notice_end":
            return left  # what becomes of the notice is in `notices`
        case "first_action_warning" | "closing_warning":
            return replace(left, warned_at_ms=timer.due_at_ms)
        case "first_action_breach" | "closing_breach":
            left = replace(left, breached_at_ms=timer.due_at_ms)
            if timer.escalate_to is None or case.status not in STATUS_AFTER["escalate"]:
                return left
            return replace(left, status="escalated", assignee=None, escalated_to=timer.escalate_to)


def with_service_level(case: Case, queue: Queue) -> Case:
    """The case, which has a clock, with the timers of the queue. What the service level has come to stays."""
    assert case.clock is not None, f"case {case.case_id} has no clock"
    from_ms = case.clock.started_ms + case.clock.paused_ms
    first = [] if case.clock.acted else _timers(_FIRST_ACTION, queue.first_action, queue.escalate_to, from_ms)
    closing = _timers(_CLOSING, queue.closing, queue.escalate_to, from_ms)
    over_ms = max(case.warned_at_ms or 0, case.breached_at_ms or 0)
    service = (each for each in (*first, *closing) if each.due_at_ms > over_ms)
    return replace(case, timers=(*(each for each in case.timers if each.name in _OWN), *service))


def paused(case: Case, at_ms: int) -> Case:
    """The case with its clock stopped."""
    return case if case.clock is None else replace(case, clock=replace(case.clock, paused_at_ms=at_ms))


def resumed(case: Case, at_ms: int) -> Case:
    """The case with its clock going again, if it was stopped, and its service level later by as long as that was. The
    timer of the wait ends."""
    own = tuple(each for each in case.timers if each.name in ("snooze_end", "notice_end"))
    service = tuple(each for each in case.timers if each.name not in _OWN)
    if case.clock is None or case.clock.paused_at_ms is None:
        return replace(case, timers=(*own, *service))
    by_ms = max(at_ms - case.clock.paused_at_ms, 0)
    clock = replace(case.clock, paused_ms=case.clock.paused_ms + by_ms, paused_at_ms=None)
    moved = (replace(each, due_at_ms=each.due_at_ms + by_ms) for each in service)
    return replace(case, clock=clock, timers=(*own, *moved))


def acted(case: Case) -> Case:
    """The case after an analyst's action: the timers of the first one are over."""
    if case.clock is None or case.clock.acted:
        return case
    kept = tuple(each for each in case.timers if not each.name.startswith("first_action"))
    return replace(case, clock=replace(case.clock, acted=True), timers=kept)


def with_timer(case: Case, name: TimerName, due_at_ms: int | None) -> Case:
    """The case with this timer in place of another of the name; None: without."""
    others = tuple(each for each in case.timers if each.name != name)
    return replace(case, timers=others if due_at_ms is None else (*others, CaseTimer(name, due_at_ms)))


def _timers(
    names: tuple[TimerName, TimerName], level: ServiceLevel, escalate_to: str | None, from_ms: int
) -> list[CaseTimer]:
    """The warning and the breach that the service level has."""
    timers = []
    if level.warn is not None:
        timers.append(CaseTimer(names[0], from_ms + parse_duration(level.warn)))
    if level.breach is not None:
        timers.append(CaseTimer(names[1], from_ms + parse_duration(level.breach), escalate_to))
    return timers
