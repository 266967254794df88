"""Puts a case into a queue, with what is at risk and a service level, as the policy says. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.timers import with_service_level, with_timer
from fraudstream.contracts import Case
from fraudstream.contracts.case_timers import CaseClock


def entered(case: Case, policy: CasePolicy, at_ms: int) -> Case:
    """A case that is new, or new again, since `at_ms`: its service level begins."""
    clock = CaseClock(at_ms) if policy.queues else None
    return rejoined(replace(case, queue=None, clock=clock, timers=(), warned_at_ms=None, breached_at_ms=None), policy)


def rejoined(case: Case, policy: CasePolicy) -> Case:
    """A case whose alerts have changed: what is at risk, and its queue if it belongs to another one now.

    A case that an earlier policy has left without a clock keeps none.
    """
    case = replace(case, amount_at_risk=policy.amount_at_risk(case.amount_totals))
    queue = policy.queue_of(case)
    if queue is None or queue.name == case.queue:
        return case
    case = replace(case, queue=queue.name)
    if case.clock is not None:
        case = with_service_level(case, queue)
    return to_assign(case, policy, case.updated_at_ms)


def to_assign(case: Case, policy: CasePolicy, at_ms: int) -> Case:
    """The case with a timer that assigns it at `at_ms`, if its queue assigns cases; else without."""
    queue = policy.queue_named(case.queue)
    return with_timer(case, "assignment", None if queue is None or queue.assignment is None else at_ms)
