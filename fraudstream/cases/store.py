"""The cases of one partition of `alerts`, with a memo for each so that repeats change nothing. Pure: no Kafka, no
clock.

How repeats are recognized:
- An alert is known by its id while the case lists it (the newest 200), and afterwards by the position of its payment in
  the log: an account's alerts come in the order of its payments, so an alert at or before the position of a dropped one
  was handled before.
- An alert without a position (no header from the worker) is known by its id alone: after 200 newer alerts a repeat
  counts again.
- An action is known by its id while it is among the newest `ACTIONS_KEPT` of its case (`cases.held`).
- What was merged or split off takes what it knows along.
- A closed case is kept until its newest alert is `CLOSED_HELD_MS` older than the newest alert of the partition (event
  time), or it leaves by `cases.retention`. After that it cannot be reopened, and repeats of its alerts are new alerts.
- Of an erased case nothing is kept.

RAM use is limited by the cases that are not closed and those that closed within that span.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from fraudstream.cases.account_cases import AccountCases
from fraudstream.cases.due_cases import DueCases
from fraudstream.cases.grouping import case_id_of, joined, opened, opened_by_hand
from fraudstream.cases.held import (
    Held,
    HeldPair,
    Memo,
    RepeatedAction,
    Source,
    with_action,
    with_alert,
    with_origin,
)
from fraudstream.cases.lifecycle import acted_on, assigned_by_queue
from fraudstream.cases.merging import merged
from fraudstream.cases.notice_cases import NoticeCases
from fraudstream.cases.notices import Answered, AnsweredNotice, RefusedAnswer, RepeatedAnswer, answered, repeats
from fraudstream.cases.policy import NO_POLICY, CasePolicy
from fraudstream.cases.queueing import entered, rejoined
from fraudstream.cases.refusal import RejectedAction, acted_at_ms, erasure_rejected, opening_rejected, rejected
from fraudstream.cases.retention import CaseRetention, ErasedCase
from fraudstream.cases.splitting import split
from fraudstream.cases.steps import with_step
from fraudstream.cases.timers import level_of
from fraudstream.cases.workload import Workload
from fraudstream.contracts import Alert, Case, CaseAction, NoticeAnswer

CLOSED_HELD_MS: Final = 90 * 24 * 3600 * 1000


class CaseStore:
    """The cases of one partition. Methods that change a case return it for the caller to write to Kafka.

    `retention_days`: how long a closed case stays on the topic `cases`; 0: for ever.
    """

    def __init__(self, policy: CasePolicy = NO_POLICY, retention_days: int = 0) -> None:
        self._policy = policy
        self._retention = CaseRetention(retention_days)
        self._workload = Workload(policy)
        self._due = DueCases(self._workload)
        self._held: dict[str, Held] = {}
        self._accounts = AccountCases()
        self._not_closed: set[str] = set()
        self._closed: list[tuple[int, str]] = []  # heap: (time of the newest alert, case_id)
        self._levels: Counter[tuple[str, str]] = Counter()  # a queue that had a case stays, with 0
        self._newest_alert_ms = 0
        self._notices = NoticeCases()

    @property
    def open_cases(self) -> int:
        """Number of cases that are not closed."""
        return len(self._not_closed)

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
        case_id = self._accounts.joined_by(alert.account_id)
        before = self._held[case_id] if case_id is not None else None
        after = (
            rejoined(joined(before.case, alert), self._policy)
            if before
            else entered(opened(alert), self._policy, alert.occurred_at_ms if at_ms is None else at_ms)
        )
        memo = with_alert(before.memo if before else Memo(), source, alert.verdict_digest, len(after.alerts))
        held = Held(after, with_origin(memo, after, alert.account_id, origin))
        self._put(held)
        return held

    def disagrees(self, alert: Alert) -> bool:
        """Whether a case lists the alert with a different verdict: then the log was decided in two ways."""
        return any(
            line.alert_id == alert.alert_id and digest != alert.verdict_digest
            for held in map(self._held.__getitem__, self._accounts.of(alert.account_id))
            for line, digest in zip(held.case.alerts, held.memo.digests, strict=True)
        )

    def act(
        self, action: CaseAction, written_at_ms: int = 0
    ) -> Held | HeldPair | RejectedAction | RepeatedAction | ErasedCase:
        """The case after the action, or both cases of a merge or split; why the action is rejected, or what it led to
        if it is a repeat. `written_at_ms`: when the action was published, from which a closed case is kept.

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
            return RepeatedAction(before.version_after(action.action_id))
        if action.action in ("merge", "split"):
            return self._act_on_two(before, action, written_at_ms)
        if action.action == "expire" and action.timer == "assignment":
            return self._assign(before, action)
        after = acted_on(before.case, action, self._accounts.other_open(before.case), self._policy)
        if isinstance(after, RejectedAction):
            return after
        return self._remember(after, before.memo, action, written_at_ms)

    def answer(self, answer: NoticeAnswer, published_at_ms: int) -> AnsweredNotice | RefusedAnswer | RepeatedAnswer:
        """The case after a customer's answer, why it is refused, or that it is a repeat. `published_at_ms`: of its
        record."""
        before = self._held.get(self._notices.of(answer.notice_id) or "")
        if before is None:
            sentence = "no case here has this notice: publish the answer to the partition that the notice names."
            return RefusedAnswer("unknown_notice", sentence)
        if repeats(before.case, answer):
            return RepeatedAnswer()
        match answered(before.case, answer, published_at_ms):
            case Answered(after, label):
                held = Held(after, before.memo)
                self._put(held)
                return AnsweredNotice(held, label)
            case refusal:
                return refusal

    def due(self, now_ms: int, absent: Collection[str] = ()) -> list[CaseAction]:
        """The expiries of timers that are due by `now_ms`, one of each case; its next once it has changed. `absent`:
        analysts who are to get no case."""
        expiries: list[CaseAction] = []
        for case_id in self._due.taken(now_ms):
            if (held := self._held.get(case_id)) is not None:
                expiries += self._due.expiries(held.case, now_ms, absent)
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
        refusal = opening_rejected(action, case_id, self._accounts.joined_by(action.account_id))
        if refusal is not None:
            return refusal
        return self._remember(entered(opened_by_hand(action), self._policy, acted_at_ms(action)), Memo(), action)

    def _remember(self, after: Case, memo: Memo, action: CaseAction, written_at_ms: int = 0) -> Held:
        """Hold the case after an action, of which the memo keeps the id and the version."""
        held = Held(with_step(after, action), with_action(memo, action.action_id, after.version))
        self._put(held, written_at_ms)
        return held

    def _assign(self, before: Held, action: CaseAction) -> Held | RejectedAction:
        """Give the case to an analyst of its queue."""
        refusal = rejected(before.case, action, None)
        if refusal is not None:
            return refusal
        given = self._workload.assigned(before.case, action.absent)
        if given is None:
            sentence = f"case {before.case.case_id}: nobody is there to whom its queue could assign it."
            return RejectedAction("nobody_present", sentence)
        return self._remember(assigned_by_queue(before.case, action, given), before.memo, action)

    def _act_on_two(self, before: Held, action: CaseAction, written_at_ms: int) -> HeldPair | RejectedAction:
        if action.action == "split":
            pair = split(before, action, self._policy)
        else:
            pair = merged(before, self._held.get(action.other_case_id or ""), action, self._policy)
        if isinstance(pair, HeldPair):
            for held in pair:
                self._put(held, written_at_ms)
        return pair

    def _is_known(self, alert: Alert, source: Source | None) -> bool:
        cases = map(self._held.__getitem__, self._accounts.of(alert.account_id))
        return any(held.is_known(alert.alert_id, source) for held in cases)

    def _put(self, held: Held, written_at_ms: int = 0) -> None:
        case = held.case
        assert case.alert_count >= len(case.alerts) == len(held.memo.sources) == len(held.memo.digests), (
            f"case {case.case_id}: {case.alert_count} alerts, {len(case.alerts)} listed, "
            f"{len(held.memo.sources)} sources, {len(held.memo.digests)} digests"
        )
        known = self._held.get(case.case_id)
        if known is not None:
            self._levels[_level(known.case)] -= known.case.status != "closed"
        self._levels[_level(case)] += case.status != "closed"
        self._accounts.put(case, () if known is None else known.case.accounts)
        self._workload.put(None if known is None else known.case, case)
        self._held[case.case_id] = held
        self._due.put(case)
        self._notices.put(case)
        self._retention.on_case(case, written_at_ms)
        newest_ms = _newest_ms(case)
        if case.alerts:
            self._newest_alert_ms = max(self._newest_alert_ms, newest_ms)
        if case.status == "closed":
            self._not_closed.discard(case.case_id)
            heapq.heappush(self._closed, (newest_ms, case.case_id))
        else:
            self._not_closed.add(case.case_id)
        self._drop_old()

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
        self._accounts.remove(held.case)
        self._due.remove(case_id)
        self._notices.remove(held.case)
        self._workload.remove(held.case)
        self._not_closed.discard(case_id)


def _level(case: Case) -> tuple[str, str]:
    return case.queue or "", level_of(case)


def _newest_ms(case: Case) -> int:
    """The time of the newest alert; of a case without alerts, when it was opened."""
    return max((line.occurred_at_ms for line in case.alerts), default=case.opened_at_ms)
