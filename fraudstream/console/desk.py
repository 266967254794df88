"""What an analyst does with cases: look at the queue, open a case with its reasons, act on it.

Plain methods on values, so that pages and an API share them. Who may do what is decided before (`access.roles`);
whether a case allows an action is decided by the case agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, Unpack

from fraudstream.cases.view import CaseView
from fraudstream.console.alert_source import AlertSource, FoundAlerts
from fraudstream.console.case_row import CaseRow
from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.queue_order import SortKey
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.search.current_cases import QueuePage
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.case_values import ActionName
from fraudstream.contracts.fields import Severity
from fraudstream.operations.case_actions import (
    ActionDetails,
    CaseActionResult,
    RejectedActionError,
    new_case_action,
    new_opening,
)
from fraudstream.operations.errors import InvalidValueError

ROWS_MAX: Final = 50  # of a page
PREFIX_DIGITS_MIN: Final = 4
VIEW_S_MAX: Final = 1.0  # how long a case page waits for the view to have what the queue has
VIEW_POLL_S: Final = 0.02
_VIEW_POLLS: Final = round(VIEW_S_MAX / VIEW_POLL_S)
ALERTS_S_MAX: Final = 1.5  # how long it waits for alerts that are not in memory
ACTIONS_AT_ONCE_MAX: Final = 64
NEXT_TRIES_MAX: Final = 8  # cases that colleagues may take while one is looked for


class PublishAction(Protocol):
    """Publishes an action and waits for the case agent's answer: `operations.case_action_client`."""

    def __call__(self, case: Case, partition: int, action: CaseAction) -> Awaitable[CaseActionResult]:
        """The accepted action. Raises `OperationError`."""


class OpenCase(Protocol):
    """Publishes the opening of a case by hand and waits for the answer: `operations.case_action_client`."""

    def __call__(self, action: CaseAction, partition: int | None) -> Awaitable[tuple[Case, int]]:
        """The new case, and its partition. Raises `OperationError`."""


class CaseFile(NamedTuple):
    """A case with all that its page shows. `found`: its alerts. `others`: rows of the account's other cases, the newest
    first. `is_behind`: the queue has a newer version, which the view does not have yet."""

    case: Case
    found: FoundAlerts
    others: list[CaseRow]
    is_behind: bool


class CaseDesk:
    """Cases for analysts. `index`: the rows of the queue. `view`: whole cases. `now_ms`: the clock, ms since the epoch.

    Methods that read whole cases raise `redis.RedisError` or `OSError` if Redis does not answer.
    """

    def __init__(
        self,
        index: CaseIndex,
        live: LiveChanges,
        view: CaseView,
        alerts: AlertSource,
        publish: PublishAction,
        open_case: OpenCase,
        now_ms: Callable[[], int],
    ) -> None:
        self._index, self._live, self._view, self._alerts = index, live, view, alerts
        self._publish, self._open_case, self._now_ms = publish, open_case, now_ms
        self._acting = asyncio.Semaphore(ACTIONS_AT_ONCE_MAX)
        self._being_taken = set[str]()  # by `next_case`: of several callers at once, each tries another case

    async def queue(self, query: QueueQuery, after: SortKey | None = None) -> QueuePage:
        """A page of the queue, of at most `ROWS_MAX` rows."""
        return await self._index.shared_page(query, after, ROWS_MAX)

    def of_account(self, account_id: str) -> list[CaseRow]:
        """The rows of an account's newest cases, the newest first."""
        return self._index.of_account(account_id)

    async def neighbours(self, case_id: str, query: QueueQuery) -> tuple[CaseRow | None, CaseRow | None]:
        """The rows of the query before and after a case."""
        row = self._index.row(case_id)
        return (None, None) if row is None else await asyncio.to_thread(self._index.neighbours, row, query)

    async def case_id_of(self, prefix: str) -> str | None:
        """The id of the only case that begins with `prefix`; None if there is none, or several."""
        if len(prefix) < PREFIX_DIGITS_MIN or not set(prefix) <= set("0123456789abcdef"):
            return None
        ids = await self._view.ids_beginning(prefix, 2)
        return ids[0] if len(ids) == 1 else None

    async def open_case(self, case_id: str) -> CaseFile | None:
        """A case with its reasons, at least as new as its row in the queue if the view has that within `VIEW_S_MAX`.
        None if there is no such case."""
        case, is_behind = await self._newest(case_id)
        if case is None:
            return None
        partition = await self._partition(case_id)
        found = await self._alerts.find(
            case_id,
            partition,
            [line.alert_id for line in case.alerts],
            ALERTS_S_MAX,
            on_read=lambda: self._live.on_case(case_id),
        )
        others = [row for row in self._index.of_account(case.account_id) if row.case_id != case_id]
        return CaseFile(case, found, others, is_behind)

    async def act(
        self,
        case_id: str,
        name: ActionName,
        *,
        actor: str,
        action_id: str | None = None,
        sees: Callable[[str], Awaitable[bool]] | None = None,
        **details: Unpack[ActionDetails],
    ) -> Case | None:
        """Act on a case; returns it as the case agent has left it, and the queue has it too. None if there is no such
        case. `action_id`: idempotency key, else a new one. `sees`: whether the actor may see the other case that the
        action names; None: any. Raises `OperationError`: `RejectedActionError` if the agent
        refuses, `NoAnswerError` if none answers."""
        case, _ = await self._newest(case_id)
        if case is None:
            return None
        if (other := details.get("other_case_id")) is not None:
            details["other_case_id"] = await self._whole(other, None if name == "unlink" else sees)
        action = new_case_action(case, name, actor=actor, acted_at_ms=self._now_ms(), action_id=action_id, **details)
        partition = await self._partition(case_id)
        try:
            async with self._acting:
                result = await self._publish(case, partition, action)
        except RejectedActionError as rejected:
            self._put(rejected.case, partition)
            raise
        self._put(result.case, partition)
        return result.case

    async def open_by_hand(self, account_id: str, *, actor: str, severity: Severity, reason: str) -> str:
        """Open a case without an alert; its id. Raises `OperationError`, such as `RejectedOpeningError`."""
        action = new_opening(account_id, actor=actor, acted_at_ms=self._now_ms(), severity=severity, reason=reason)
        known = self._index.of_account(account_id)
        async with self._acting:
            case, partition = await self._open_case(action, known[0].partition if known else None)
        self._put(case, partition)
        return case.case_id

    async def next_case(self, query: QueueQuery, *, actor: str) -> str | None:
        """Claim the most urgent case of the query that is nobody's; its id, or None if there is none.

        The case agent decides: where a colleague was faster, the next case is tried. Raises `OperationError`.
        """
        unclaimed = query._replace(status="new", assignee=None, order="urgency")
        tries = 0
        while tries < NEXT_TRIES_MAX:
            rows_max = 1 + len(self._being_taken)
            waiting = await self._index.shared_page(unclaimed, None, rows_max)
            row = next((each for each in waiting.rows if self._is_free(each)), None)
            if row is not None:
                tries += 1
                if await self._take(row, actor):
                    return row.case_id
            elif len(waiting.rows) < rows_max:
                return None  # colleagues are taking all that there are
        return None

    def _is_free(self, row: CaseRow) -> bool:
        """Whether nobody takes the case of a row, or has taken it since the row was found."""
        newest = self._index.row(row.case_id)
        return row.case_id not in self._being_taken and newest is not None and newest.version == row.version

    async def _take(self, row: CaseRow, actor: str) -> bool:
        """Claim the case of a row; whether the agent has accepted it."""
        self._being_taken.add(row.case_id)
        try:
            return await self.act(row.case_id, "claim", actor=actor, expected_version=row.version) is not None
        except RejectedActionError:
            return False
        finally:
            self._being_taken.remove(row.case_id)

    async def _whole(self, case_id: str, sees: Callable[[str], Awaitable[bool]] | None) -> str:
        """The id of the case that `case_id` is, or is the beginning of. Raises `InvalidValueError`, also for one that
        may not be seen."""
        whole = await self.case_id_of(case_id)
        if whole is None or (sees is not None and not await sees(whole)):
            sentence = f"no case has the id {case_id[:64]}, or several ids begin with it."
            raise InvalidValueError("other_case_id", case_id, sentence)
        return whole

    def _put(self, case: Case, partition: int) -> None:
        """The agent has answered with this state of the case: the queue has it before the feed reads it."""
        if self._index.put(case, partition):
            self._live.on_case(case.case_id)

    async def _newest(self, case_id: str) -> tuple[Case | None, bool]:
        """The case of the view, and whether the queue has a newer version even after `VIEW_S_MAX`."""
        row = self._index.row(case_id)
        waits = _VIEW_POLLS
        case = await self._view.case(case_id)
        while row is not None and (case is None or case.version < row.version) and waits > 0:
            await asyncio.sleep(VIEW_POLL_S)
            waits -= 1
            case = await self._view.case(case_id)
        return case, row is not None and case is not None and case.version < row.version

    async def _partition(self, case_id: str) -> int:
        row = self._index.row(case_id)
        return row.partition if row is not None else await self._view.partition_of(case_id) or 0
