"""Which closed cases leave the topic `cases`, and when. Pure: the clock is the caller's.

A closed case leaves once the UTC day is over on which its time is up. It is remembered here by its id alone, for longer
than the store keeps the whole case.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from fraudstream.contracts import Case

DAY_MS: Final = 24 * 3600 * 1000
AT_ONCE_MAX: Final = 200  # so that a step stays short when retention is set for the first time


class ErasedCase(NamedTuple):
    """A case that was removed, with all that is stored of it."""

    case_id: str


class CaseRetention:
    """The closed cases of a partition. `days`: how long each is kept after it was closed; 0: for ever."""

    def __init__(self, days: int) -> None:
        self._days = days
        self._leaves_on: dict[str, int] = {}  # by case id: the first day (since the epoch) on which it is gone
        self._frauds: set[str] = set()  # those that were closed as a confirmed fraud
        self._due: deque[str] = deque()
        self._looked_on = -1

    def on_case(self, case: Case, written_at_ms: int = 0) -> None:
        """The case is as it is now, and was written at that time. The later of that and its closing counts: who replays
        payments of last year may close their cases at the time of these."""
        if case.status != "closed":
            self.forget(case.case_id)
            return
        closed_at_ms = case.updated_at_ms if case.closed_at_ms is None else case.closed_at_ms
        if self._days:
            self._leaves_on[case.case_id] = max(closed_at_ms, written_at_ms) // DAY_MS + self._days + 1
        if case.disposition == "confirmed_fraud":
            self._frauds.add(case.case_id)
        else:
            self._frauds.discard(case.case_id)

    def forget(self, case_id: str) -> None:
        """The case has left, or is not closed any more."""
        self._leaves_on.pop(case_id, None)
        self._frauds.discard(case_id)

    def is_fraud(self, case_id: str) -> bool:
        """Whether the case is kept as evidence of a confirmed fraud."""
        return case_id in self._frauds

    def due(self, now_ms: int) -> list[str]:
        """Ids of cases whose time is up, `AT_ONCE_MAX` at most; the next ones by the next call."""
        today = now_ms // DAY_MS
        if today != self._looked_on:
            self._looked_on = today
            self._due = deque(case_id for case_id, day in self._leaves_on.items() if day <= today)
        due: list[str] = []
        while self._due and len(due) < AT_ONCE_MAX:
            case_id = self._due.popleft()
            if self._leaves_on.get(case_id, today + 1) <= today:  # not reopened since
                due.append(case_id)
        return due
