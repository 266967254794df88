"""Who gets a case that a queue assigns by itself. Pure; it follows from the cases of one partition alone.

    round_robin  the analyst after the one who got the queue's last case, in the order of the policy
    load         the one with the fewest cases that are not closed
    skill        of those with the most skills of the case (typologies of its rules, its queue), the one with the
                 fewest; if nobody has a skill of it, of all

Where several are equal, the order of the policy decides. Who is absent gets nothing. A case that was released goes to
somebody else, if anybody else is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from fraudstream.cases.policy import CasePolicy, Queue
from fraudstream.contracts import Case
from fraudstream.contracts.case import CaseAssignment


class Workload:
    """What the analysts have, and who got the last case of each queue. `put` keeps it up to date."""

    def __init__(self, policy: CasePolicy) -> None:
        self._policy = policy
        self._open: Counter[str] = Counter()  # by assignee, cases that are not closed
        self._last: dict[str, CaseAssignment] = {}  # by queue

    def put(self, before: Case | None, after: Case) -> None:
        """A case has changed, or is new."""
        if before is not None:
            self.remove(before)
        if after.assignee is not None and after.status != "closed":
            self._open[after.assignee] += 1
        given = after.assignment
        if given is not None and (given.queue not in self._last or self._last[given.queue].number < given.number):
            self._last[given.queue] = given

    def remove(self, case: Case) -> None:
        """The case has left. Who got the queue's last case stays."""
        if case.assignee is not None and case.status != "closed":
            self._open[case.assignee] -= 1

    def assigned(self, case: Case, absent: Collection[str]) -> CaseAssignment | None:
        """Who gets the case; None if its queue assigns no cases, or everybody is absent."""
        queue = self._policy.queue_named(case.queue)
        if queue is None or queue.assignment is None:
            return None
        present = [name for name in queue.assignment.analysts if name not in absent]
        if case.assignment is not None:
            present = [name for name in present if name != case.assignment.analyst] or present
        if not present:
            return None
        last = self._last.get(queue.name)
        number = 1 if last is None else last.number + 1
        return CaseAssignment(queue.name, self._chosen(queue, case, present), number)

    def named_in(self, case: Case, absent: Collection[str]) -> list[str]:
        """Who of the absent is an analyst of the case's queue."""
        queue = self._policy.queue_named(case.queue)
        analysts = () if queue is None or queue.assignment is None else queue.assignment.analysts
        return [name for name in analysts if name in absent]

    def _chosen(self, queue: Queue, case: Case, present: Sequence[str]) -> str:
        assert queue.assignment is not None, "it is looked at before"
        match queue.assignment.method:
            case "round_robin":
                return self._next(queue.name, queue.assignment.analysts, present)
            case "load":
                return self._least_loaded(present)
            case "skill":
                return self._least_loaded(self._most_skilled(queue.name, case, present))

    def _next(self, queue: str, analysts: Sequence[str], present: Collection[str]) -> str:
        last = self._last.get(queue)
        at = analysts.index(last.analyst) + 1 if last is not None and last.analyst in analysts else 0
        return next(name for name in (*analysts[at:], *analysts[:at]) if name in present)

    def _least_loaded(self, present: Sequence[str]) -> str:
        return min(present, key=lambda name: self._open[name])

    def _most_skilled(self, queue: str, case: Case, present: Sequence[str]) -> list[str]:
        needed = {queue, *(rule.partition("/")[0] for rule in case.rules)}
        matches = {name: len(needed & set(self._policy.skills.get(name, ()))) for name in present}
        most = max(matches.values())
        return [name for name in present if matches[name] == most]
