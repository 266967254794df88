"""When the timers of each case of a partition are to be looked at. Pure: the clock is the caller's."""

from __future__ import annotations

import heapq

from fraudstream.cases.timers import due_timer
from fraudstream.contracts import Case


class DueCases:
    """By case, the time of the timer that is due first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []  # (time, case_id)
        self._due_of: dict[str, int] = {}  # by case: the last time that was put on the heap

    def put(self, case: Case) -> None:
        """A case has changed, or is new."""
        timer = due_timer(case)
        if timer is None:
            self.remove(case.case_id)
        elif self._due_of.get(case.case_id) != timer.due_at_ms:
            self.note(case.case_id, timer.due_at_ms)

    def note(self, case_id: str, due_at_ms: int) -> None:
        """Look at the timers of the case at that time."""
        self._due_of[case_id] = due_at_ms
        heapq.heappush(self._heap, (due_at_ms, case_id))

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
