"""The cases of one partition of `alerts`, with a memo for each so that repeats change nothing. Pure: no Kafka, no
clock.

How repeats are recognized:
- An alert is known by its id while the case lists it (the newest 200), and afterwards by the position of its payment in
  the log: an account's alerts come in the order of its payments, so an alert at or before the position of a dropped one
  was handled before.
- An alert without a position (no header from the worker) is known by its id alone: after 200 newer alerts a repeat
  counts again.
- An action is known by its id while it is among the newest `ACTIONS_KEPT` of its case.
- A closed case is kept until its newest alert is `CLOSED_HELD_MS` older than the newest alert of the partition (event
  time), or it leaves by `cases.retention`. After that it cannot be reopened, and repeats of its alerts are new alerts.
- Of an erased case nothing is kept.

RAM use is limited by the cases that are not closed and those that closed within that span.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from fraudstream.cases.grouping import case_id_of, joined, opened, opened_by_hand
from fraudstream.cases.lifecycle import acted_on
from fraudstream.cases.policy import NO_POLICY, CasePolicy
from fraudstream.cases.queueing import entered, rejoined
from fraudstream.cases.refusal import RejectedAction, acted_at_ms, erasure_rejected, opening_rejected
from fraudstream.cases.retention import CaseRetention, ErasedCase
from fraudstream.cases.timers import due_timer, expiry_of, level_of
from fraudstream.contracts import Alert, Case, CaseAction

ACTIONS_KEPT: Final = 64
CLOSED_HELD_MS: Final = 90 * 24 * 3600 * 1000


class Source(NamedTuple):
    """The position of an alert's payment in the log of the stage that decided. `state_version`: in a chain of stages
    each version has a log of its own."""

    partition: int
    offset: int
    state_version: int = 1

    @property
    def log(self) -> str:
        """Identifies the partition and version; offsets are comparable only within one `log`."""
        return f"{self.partition}" if self.state_version == 1 else f"v{self.state_version}-{self.partition}"

    def __str__(self) -> str:
        return f"{self.log}:{self.offset}"


class Memo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored with a case in addition to its contract. `sources` and `digests` (of the verdict): of each listed
    alert. `forgotten`: by `Source.log`, the highest offset among the alerts that are no longer listed. `actions`: ids
    of the newest actions. `action_versions`: the case's version after each of them; records of earlier releases have it
    after the last of them, or after none. `origin`: the partition of `payments` that has the account's payments, if its
    alerts name it."""

    sources: tuple[Source | None, ...] = ()
    digests: tuple[str, ...] = ()
    forgotten: dict[str, int] = {}
    actions: tuple[str, ...] = ()
    action_versions: tuple[int, ...] = ()
    origin: int | None = None


class Held(NamedTuple):
    """A case with its memo; both are written as one record."""

    case: Case
    memo: Memo


class RepeatedAction(NamedTuple):
    """An action that was accepted before. `version`: of the case after it."""

    version: int


class CaseStore:
    """The cases of one partition. Methods that change a case return it for the caller to write to Kafka.

    `retention_days`: how long a closed case stays on the topic `cases`; 0: for ever.
    """

    def __init__(self, policy: CasePolicy = NO_POLICY, retention_days: int = 0) -> None:
        self._policy = policy
        self._retention = CaseRetention(retention_days)
        self._due: list[tuple[int, str]] = []  # heap: (time of the timer that is due first, case_id)
        self._due_of: dict[str, int] = {}  # by case: the last time that was put on that heap
        self._held: dict[str, Held] = {}
        self._by_account: dict[str, list[str]] = {}
        self._open: dict[str, str] = {}  # account to its case that is not closed
        self._closed: list[tuple[int, str]] = []  # heap: (time of the newest alert, case_id)
        self._levels: Counter[tuple[str, str]] = Counter()  # a queue that had a case stays, with 0
        self._newest_alert_ms = 0

    @property
    def open_cases(self) -> int:
        """Number of cases that are not closed."""
        return len(self._open)

    @property
    def service_levels(self) -> Mapping[tuple[str, str], int]:
        """Cases that are not closed, by queue ("" without one) and what their service level has come to."""
        return self._levels

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    def alert(
        self, alert: Alert, source: Source | None, origin: int | None = None, at_ms: int | None = None
    ) -> Held | None:
        """The case after the alert, or None if the alert is a repeat. `source`: position of its payment; `origin`:
        partition of `payments`; `at_ms`: when the alert was published, at which the service level begins (None: when
        its payment occurred). Raises `AlertError`."""
        if self._is_known(alert, source):
            return None
        case_id = self._open.get(alert.account_id)
        before = self._held[case_id] if case_id is not None else None
        after = (
            rejoined(joined(before.case, alert), self._policy)
            if before
            else entered(opened(alert), self._policy, alert.occurred_at_ms if at_ms is None else at_ms)
        )
        memo = _noted(before.memo if before else Memo(), source, alert.verdict_digest, len(after.alerts))
        held = Held(after, memo if origin is None else msgspec.structs.replace(memo, origin=origin))
        self._put(held)
        return held

    def disagrees(self, alert: Alert) -> bool:
        """Whether a case lists the alert with a different verdict: then the log was decided in two ways."""
        return any(
            line.alert_id == alert.alert_id and digest != alert.verdict_digest
            for held in map(self._held.__getitem__, self._by_account.get(alert.account_id, ()))
            for line, digest in zip(held.case.alerts, held.memo.digests, strict=True)
        )

    def act(self, action: CaseAction, written_at_ms: int = 0) -> Held | RejectedAction | RepeatedAction | ErasedCase:
        """The case after the action, why the action is rejected, or what it led to if it is a repeat. `written_at_ms`:
        when the action was published, from which a closed case is kept.

        A rejected action leaves nothing behind: its repeat is judged by the case as it is then.
        """
        before = self._held.get(action.case_id)
        if action.action == "erase":
            return self._erase(action, before)
        if before is None and action.action == "open":
            return self._open_by_hand(action)
        if before is None:
            sentence = (
                f"no case {action.case_id} here: publish the action to the partition of `cases` that has its case."
            )
            return RejectedAction("unknown_case", sentence)
        if action.action_id in before.memo.actions:
            return RepeatedAction(_version_after(before, action.action_id))
        open_case = self._open.get(before.case.account_id)
        after = acted_on(before.case, action, open_case if open_case != action.case_id else None, self._policy)
        if isinstance(after, RejectedAction):
            return after
        return self._remember(after, before.memo, action, written_at_ms)

    def due(self, now_ms: int) -> list[CaseAction]:
        """The expiries of timers that are due by `now_ms`, one of each case; its next once it has changed."""
        expiries = []
        while self._due and self._due[0][0] <= now_ms:
            due_at_ms, case_id = heapq.heappop(self._due)
            self._due_of.pop(case_id, None)  # what changes the case before the expiry does asks for it again
            held = self._held.get(case_id)
            timer = None if held is None else due_timer(held.case)
            if held is not None and timer is not None and timer.due_at_ms == due_at_ms:
                expiries.append(expiry_of(held.case, timer))
        return expiries

    def restore(self, held: Held, written_at_ms: int = 0) -> None:
        """Restore a case that was read from the topic `cases`, to which it was written at that time. The highest
        version of a case wins, in any order."""
        known = self._held.get(held.case.case_id)
        if known is None or known.case.version < held.case.version:
            self._put(held, written_at_ms)

    def remove(self, case_id: str) -> None:
        """Keep nothing of the case: it has been erased, or its time is up."""
        self._drop(case_id)
        self._retention.forget(case_id)

    def retire(self, now_ms: int) -> list[str]:
        """Remove closed cases whose time is up, some at a time; returns their ids."""
        due = self._retention.due(now_ms)
        for case_id in due:
            self.remove(case_id)
        return due

    def case(self, case_id: str) -> Case | None:
        """The case with that id, or None."""
        held = self._held.get(case_id)
        return held.case if held else None

    def origin_of_payments(self, case_id: str) -> int | None:
        """The partition of `payments` that has the case's payments; None if its alerts do not name it."""
        return self._held[case_id].memo.origin

    def _erase(self, action: CaseAction, before: Held | None) -> ErasedCase | RejectedAction:
        """Remove the case. One that is not here has been removed before, or is kept by the topic alone."""
        case = None if before is None else before.case
        refusal = erasure_rejected(action, case, is_fraud=self._retention.is_fraud(action.case_id))
        if refusal is not None:
            return refusal
        self.remove(action.case_id)
        return ErasedCase(action.case_id)

    def _open_by_hand(self, action: CaseAction) -> Held | RejectedAction:
        case_id = case_id_of(action.account_id, action.action_id)
        refusal = opening_rejected(action, case_id, self._open.get(action.account_id))
        if refusal is not None:
            return refusal
        return self._remember(entered(opened_by_hand(action), self._policy, acted_at_ms(action)), Memo(), action)

    def _remember(self, after: Case, memo: Memo, action: CaseAction, written_at_ms: int = 0) -> Held:
        """Hold the case after an action, of which the memo keeps the id and the version."""
        actions = (*memo.actions, action.action_id)[-ACTIONS_KEPT:]
        versions = (*memo.action_versions, after.version)[-ACTIONS_KEPT:]
        held = Held(after, msgspec.structs.replace(memo, actions=actions, action_versions=versions))
        self._put(held, written_at_ms)
        return held

    def _is_known(self, alert: Alert, source: Source | None) -> bool:
        for case_id in self._by_account.get(alert.account_id, ()):
            case, memo = self._held[case_id]
            if any(line.alert_id == alert.alert_id for line in case.alerts):
                return True
            if source is not None and source.offset <= memo.forgotten.get(source.log, -1):
                return True
        return False

    def _put(self, held: Held, written_at_ms: int = 0) -> None:
        case = held.case
        assert case.alert_count >= len(case.alerts) == len(held.memo.sources) == len(held.memo.digests), (
            f"case {case.case_id}: {case.alert_count} alerts, {len(case.alerts)} listed, "
            f"{len(held.memo.sources)} sources, {len(held.memo.digests)} digests"
        )
        if (before := self._held.get(case.case_id)) is not None:
            self._levels[_level(before.case)] -= before.case.status != "closed"
        self._levels[_level(case)] += case.status != "closed"
        if before is None:
            self._by_account.setdefault(case.account_id, []).append(case.case_id)
        self._held[case.case_id] = held
        self._note_due(case)
        self._retention.on_case(case, written_at_ms)
        newest_ms = _newest_ms(case)
        if case.alerts:
            self._newest_alert_ms = max(self._newest_alert_ms, newest_ms)
        if case.status == "closed":
            if self._open.get(case.account_id) == case.case_id:
                del self._open[case.account_id]
            heapq.heappush(self._closed, (newest_ms, case.case_id))
        else:
            self._open[case.account_id] = case.case_id
        self._drop_old()

    def _note_due(self, case: Case) -> None:
        timer = due_timer(case)
        if timer is None:
            self._due_of.pop(case.case_id, None)
        elif self._due_of.get(case.case_id) != timer.due_at_ms:
            self._due_of[case.case_id] = timer.due_at_ms
            heapq.heappush(self._due, (timer.due_at_ms, case.case_id))

    def _drop_old(self) -> None:
        """Drop closed cases that are older than `CLOSED_HELD_MS`."""
        while self._closed and self._closed[0][0] < self._newest_alert_ms - CLOSED_HELD_MS:
            newest_ms, case_id = heapq.heappop(self._closed)
            held = self._held.get(case_id)
            if held is None or held.case.status != "closed":
                continue  # dropped before, or reopened since
            if _newest_ms(held.case) != newest_ms:
                continue  # closed again with newer alerts: it has a later entry
            self._drop(case_id)

    def _drop(self, case_id: str) -> None:
        held = self._held.pop(case_id, None)
        if held is None:
            return
        self._levels[_level(held.case)] -= held.case.status != "closed"
        account_id = held.case.account_id
        if self._open.get(account_id) == case_id:
            del self._open[account_id]
        of_account = self._by_account[account_id]
        of_account.remove(case_id)
        if not of_account:
            del self._by_account[account_id]


def _level(case: Case) -> tuple[str, str]:
    return case.queue or "", level_of(case)


def _newest_ms(case: Case) -> int:
    """The time of the newest alert; of a case without alerts, when it was opened."""
    return max((line.occurred_at_ms for line in case.alerts), default=case.opened_at_ms)


def _version_after(held: Held, action_id: str) -> int:
    """The version of the case after the action; its present one if an earlier release has not kept it."""
    versions = dict(zip(reversed(held.memo.actions), reversed(held.memo.action_versions), strict=False))
    return versions.get(action_id, held.case.version)


def _noted(memo: Memo, source: Source | None, digest: str, kept: int) -> Memo:
    """The memo with one more alert, of which the newest `kept` stay listed."""
    sources = (*memo.sources, source)
    forgotten = dict(memo.forgotten)
    for gone in sources[:-kept]:
        if gone is not None:
            forgotten[gone.log] = max(gone.offset, forgotten.get(gone.log, -1))
    digests = (*memo.digests, digest)[-kept:]
    return msgspec.structs.replace(memo, sources=sources[-kept:], digests=digests, forgotten=forgotten)
