"""When the timers of each case of a partition are to be looked at, and what is due. Pure: the clock is the caller's."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from typing import Final

from fraudstream.cases.timers import due_timer, expiry_of, live_timers
from fraudstream.cases.workload import Workload
from fraudstream.contracts import Case, CaseAction

ASSIGN_AGAIN_MS: Final = 60_000  # until it is looked again whether anybody is there to get a case


class DueCases:
    """By case, the time of the timer that is due first. `workload`: says who gets a case that its queue assigns."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._heap: list[tuple[int, str]] = []  # (time, case_id)
        self._due_of: dict[str, int] = {}  # by case: the last time that was put on the heap

    def put(self, case: Case) -> None:
        """A case has changed, or is new."""
        timer = due_timer(case)
        if timer is None:
            self.remove(case.case_id)
        elif self._due_of.get(case.case_id) != timer.due_at_ms:
            self._note(case.case_id, timer.due_at_ms)

    def remove(self, case_id: str) -> None:
        """The case has no timer, or has left."""
        self._due_of.pop(case_id, None)

    def taken(self, now_ms: int) -> list[str]:
        """Ids of the cases to look at by `now_ms`. What changes such a case before the expiry of its timer does, asks
        for it again."""
        taken = []
        while self._heap and self._heap[0][0] <= now_ms:
            due_at_ms, case_id = heapq.heappop(self._heap)
            if self._due_of.get(case_id) == due_at_ms:  # else the case has changed since
                del self._due_of[case_id]
                taken.append(case_id)
        return taken

    def expiries(self, case: Case, now_ms: int, absent: Collection[str]) -> list[CaseAction]:
        """The expiry of the timer that is due, if there is one. A case that nobody is there to get waits, while its
        other timers go on. `absent`: analysts who are to get no case."""
        timers = sorted(live_timers(case), key=lambda each: (each.due_at_ms, each.name))
        waits = False
        for timer in timers:
            if timer.due_at_ms > now_ms:
                self._note(case.case_id, min(timer.due_at_ms, now_ms + ASSIGN_AGAIN_MS) if waits else timer.due_at_ms)
                return []
            if timer.name != "assignment":
                return [expiry_of(case, timer)]
            if self._workload.assigned(case, absent) is not None:
                return [expiry_of(case, timer, self._workload.named_in(case, absent))]
            waits = True
        if waits:
            self._note(case.case_id, now_ms + ASSIGN_AGAIN_MS)
        return []

    def _note(self, case_id: str, due_at_ms: int) -> None:
        """Look at the timers of the case at that time."""
        self._due_of[case_id] = due_at_ms
        heapq.heappush(self._heap, (due_at_ms, case_id))
