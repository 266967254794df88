"""The cases of one partition of `alerts`, and what each remembers so that a repeat changes nothing. Pure: no Kafka, no
clock.

What holds for repeats:
- An alert is known by its id while the case lists it (its newest 200), and by the place of its payment in the log when
  it is listed no more: an account's alerts come in the order of its payments, so whatever stands at or before a
  forgotten alert was there already.
- Alerts that carry no place (no header from the worker) are known by their id alone: beyond 200 newer ones a repeat
  counts again.
- An action is known by its id while it is among the newest `ACTIONS_KEPT` of its case.
- A closed case is held until its newest alert is `CLOSED_HELD_MS` older than the newest alert of the partition (event
  time). After that it cannot be reopened, and repeats of its alerts are new alerts.

PartitionState is bounded by the cases that are not closed and those closed within that span.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from fraudstream.cases.grouping import joined, opened
from fraudstream.cases.lifecycle import RejectedAction, acted_on
from fraudstream.contracts import Alert, Case, CaseAction

ACTIONS_KEPT: Final = 64
CLOSED_HELD_MS: Final = 90 * 24 * 3600 * 1000


class Source(NamedTuple):
    """Where the payment of an alert stood in the log of the stage that decided. `state_version`: each has a log of its
    own where several stages keep memories."""

    partition: int
    offset: int
    state_version: int = 1

    @property
    def log(self) -> str:
        """The partition of that version's log; offsets of no other one compare."""
        return f"{self.partition}" if self.state_version == 1 else f"v{self.state_version}-{self.partition}"

    def __str__(self) -> str:
        return f"{self.log}:{self.offset}"


class Memo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a case remembers beside its contract. `sources` and `digests` (of the verdict): of each listed alert.
    `forgotten`: by `Source.log`, the highest offset among the alerts that are listed no more. `actions`: ids of
    the newest actions. `origin`: the partition of `payments` where the account's stand, if its alerts said so."""

    sources: tuple[Source | None, ...] = ()
    digests: tuple[str, ...] = ()
    forgotten: dict[str, int] = {}
    actions: tuple[str, ...] = ()
    origin: int | None = None


class Held(NamedTuple):
    """A case with what it remembers: together they are the state, and together they stand in one record."""

    case: Case
    memo: Memo


class CaseStore:
    """The cases of one partition. Every method that changes a case gives back the new state of it, for the caller to
    emit."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._by_account: dict[str, list[str]] = {}
        self._open: dict[str, str] = {}  # account to its case that is not closed
        self._closed: list[tuple[int, str]] = []  # heap: (time of the newest alert, case_id)
        self._newest_alert_ms = 0

    @property
    def open_cases(self) -> int:
        """Cases that are not closed."""
        return len(self._open)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    def alert(self, alert: Alert, source: Source | None, origin: int | None = None) -> Held | None:
        """The case after the alert, or None if the alert was here before. Raises `AlertError`."""
        if self._is_known(alert, source):
            return None
        case_id = self._open.get(alert.account_id)
        before = self._held[case_id] if case_id is not None else None
        after = joined(before.case, alert) if before else opened(alert)
        memo = _noted(before.memo if before else Memo(), source, alert.verdict_digest, len(after.alerts))
        held = Held(after, memo if origin is None else msgspec.structs.replace(memo, origin=origin))
        self._put(held)
        return held

    def disagrees(self, alert: Alert) -> bool:
        """Whether the alert is listed with another verdict: then the log was judged twice, and not alike."""
        return any(
            line.alert_id == alert.alert_id and digest != alert.verdict_digest
            for held in map(self._held.__getitem__, self._by_account.get(alert.account_id, ()))
            for line, digest in zip(held.case.alerts, held.memo.digests, strict=True)
        )

    def act(self, action: CaseAction) -> Held | RejectedAction | None:
        """The case after the action, why the action does not fit, or None if it was here before."""
        before = self._held.get(action.case_id)
        if before is None:
            sentence = (
                f"no case {action.case_id} here: an action goes to the partition of `cases` where its case stands."
            )
            return RejectedAction("unknown_case", sentence)
        if action.action_id in before.memo.actions:
            return None
        open_case = self._open.get(before.case.account_id)
        after = acted_on(before.case, action, open_case if open_case != action.case_id else None)
        if isinstance(after, RejectedAction):
            return after
        actions = (*before.memo.actions, action.action_id)[-ACTIONS_KEPT:]
        held = Held(after, msgspec.structs.replace(before.memo, actions=actions))
        self._put(held)
        return held

    def restore(self, held: Held) -> None:
        """Put back a case as it was emitted; of several states of one case the highest version stays."""
        known = self._held.get(held.case.case_id)
        if known is None or known.case.version < held.case.version:
            self._put(held)

    def case(self, case_id: str) -> Case | None:
        """The case, if the book holds it."""
        held = self._held.get(case_id)
        return held.case if held else None

    def origin_of_payments(self, case_id: str) -> int | None:
        """The partition of `payments` where the case's payments stand, if their alerts said so."""
        return self._held[case_id].memo.origin

    def _is_known(self, alert: Alert, source: Source | None) -> bool:
        for case_id in self._by_account.get(alert.account_id, ()):
            case, memo = self._held[case_id]
            if any(line.alert_id == alert.alert_id for line in case.alerts):
                return True
            if source is not None and source.offset <= memo.forgotten.get(source.log, -1):
                return True
        return False

    def _put(self, held: Held) -> None:
        case = held.case
        assert case.alert_count >= len(case.alerts) == len(held.memo.sources) == len(held.memo.digests) > 0, (
            f"case {case.case_id}: {case.alert_count} alerts, {len(case.alerts)} listed, "
            f"{len(held.memo.sources)} sources, {len(held.memo.digests)} digests"
        )
        if case.case_id not in self._held:
            self._by_account.setdefault(case.account_id, []).append(case.case_id)
        self._held[case.case_id] = held
        newest_ms = max(line.occurred_at_ms for line in case.alerts)
        self._newest_alert_ms = max(self._newest_alert_ms, newest_ms)
        if case.status == "closed":
            if self._open.get(case.account_id) == case.case_id:
                del self._open[case.account_id]
            heapq.heappush(self._closed, (newest_ms, case.case_id))
        else:
            self._open[case.account_id] = case.case_id
        self._forget()

    def _forget(self) -> None:
        while self._closed and self._closed[0][0] < self._newest_alert_ms - CLOSED_HELD_MS:
            newest_ms, case_id = heapq.heappop(self._closed)
            held = self._held.get(case_id)
            if held is None or held.case.status != "closed":
                continue  # forgotten already, or reopened since
            if max(line.occurred_at_ms for line in held.case.alerts) != newest_ms:
                continue  # closed again since, with newer alerts: a later entry stands for it
            del self._held[case_id]
            of_account = self._by_account[held.case.account_id]
            of_account.remove(case_id)
            if not of_account:
                del self._by_account[held.case.account_id]


def _noted(memo: Memo, source: Source | None, digest: str, kept: int) -> Memo:
    """The memo with one alert more of which the newest `kept` are listed."""
    sources = (*memo.sources, source)
    forgotten = dict(memo.forgotten)
    for gone in sources[:-kept]:
        if gone is not None:
            forgotten[gone.log] = max(gone.offset, forgotten.get(gone.log, -1))
    digests = (*memo.digests, digest)[-kept:]
    return msgspec.structs.replace(memo, sources=sources[-kept:], digests=digests, forgotten=forgotten)
