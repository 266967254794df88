"""What the console shows of the past: an account's or a device's payments, and the network of an account.

The store is asked in threads, few at a time. A page waits only so long: the question goes on, and its answer is kept
for the next time the page is asked for. Answers are kept for `KEPT_S`, so that a page that asks for itself again is
cheap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar

from fraudstream.history.answers import LinkedAccount, PageKey, PastPayment, Summary, summary_of
from fraudstream.history.errors import HistoryError
from fraudstream.history.figures import FigureReader
from fraudstream.history.network import LinkSource, Network, network_of
from fraudstream.history.tables import DAY_MS, LINK_KINDS, EntityKind, LinkKind

Missing = Literal["none", "reading", "unreadable"]

KINDS: Final[tuple[EntityKind, ...]] = ("account", *LINK_KINDS)
DAYS: Final = 90
NETWORK_DAYS: Final = 30
RECENT_MAX: Final = 1_000  # payments of a timeline
ROWS_MAX: Final = 50  # of a page
ACCOUNTS_MAX: Final = 50
CASE_ACCOUNTS_MAX: Final = 8  # of a case, whose pasts its page shows together
QUERY_S_MAX: Final = 10.0
PAGE_S_MAX: Final = 8.0  # how long the page of an account waits
CASE_S_MAX: Final = 0.5  # how long a case page waits
CARRIED_S_MAX: Final = 1.0  # how long the page of a proposal waits
CARRIED_MAX: Final = 10  # values that are counted
CARRIED_DAYS: Final = 30
AT_ONCE_MAX: Final = 2
KEPT_S: Final = 30.0
KEPT_MAX: Final = 200

T = TypeVar("T")
log = logging.getLogger(__name__)


class History(LinkSource, Protocol):
    """The history store; `HistoryReader` is one. Its methods block, and raise `HistoryError`. `figures`: over all
    payments."""

    figures: FigureReader

    def interrupt(self) -> None:
        """Make running questions, and all later ones, fail."""

    def newest_ms(self) -> int | None:
        """The end of the newest day with payments; None if there are none."""

    def payments(
        self, kind: EntityKind, value: str, *, since_ms: int, rows: int, before: PageKey | None, limit_s: float
    ) -> list[PastPayment]:
        """The newest payments."""

    def summary(self, kind: EntityKind, value: str, *, since_ms: int, limit_s: float) -> Summary:
        """Totals of payments."""

    def accounts(self, kind: LinkKind, value: str, *, since_ms: int, rows: int, limit_s: float) -> list[LinkedAccount]:
        """The accounts that have used a value."""


class EntityPast(NamedTuple):
    """The past of an entity since `since_ms`, until `until_ms`. `recent`: its newest payments, `RECENT_MAX` at most;
    `rows`: those of the page; `next_before`: where the next page begins, None if there is none. `accounts`: who used
    it; None of an account. `network`: of an account."""

    since_ms: int
    until_ms: int
    summary: Summary
    recent: tuple[PastPayment, ...]
    rows: tuple[PastPayment, ...]
    next_before: PageKey | None
    accounts: tuple[LinkedAccount, ...] | None
    network: Network | None


class CasePast(NamedTuple):
    """The past of a case's accounts together, since `since_ms` until `until_ms`. `accounts`: those that are shown,
    `CASE_ACCOUNTS_MAX` at most. `recent`: their newest payments, the newest first, as many of each, `RECENT_MAX` at
    most."""

    since_ms: int
    until_ms: int
    accounts: tuple[str, ...]
    recent: tuple[PastPayment, ...]
    network: Network


class Carried(NamedTuple):
    """How many payments carry one of some values, and of how many accounts (the sum over the values), since `day_ms`,
    the newest day of the history, and since `since_ms`. `values`: how many of the values were looked at."""

    day_ms: int
    payments_of_day: int
    accounts_of_day: int
    since_ms: int
    payments: int
    accounts: int
    values: int


class PastDesk:
    """Asks `history`; None: there is no store, and every answer is "none"."""

    def __init__(self, history: History | None) -> None:
        self._history = history
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._of_figures = asyncio.Semaphore(1)
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._reads: dict[Hashable, asyncio.Task[Any]] = {}

    async def entity(self, kind: EntityKind, value: str, before: PageKey | None = None) -> EntityPast | Missing:
        """The past of an entity; the page of payments `before` a place."""
        return await self._answer(
            (kind, value, before), lambda history: _entity(history, kind, value, before), PAGE_S_MAX, None
        )

    async def of_case(self, accounts: Sequence[str], on_read: Callable[[], None]) -> CasePast | Missing:
        """The past of a case's accounts, its own first. "reading" if it takes longer than a case page may wait;
        `on_read` is called once it is there."""
        shown = tuple(accounts[:CASE_ACCOUNTS_MAX])
        return await self._answer(("case", shown), lambda history: _of_case(history, shown), CASE_S_MAX, on_read)

    async def figures(
        self, key: Hashable, ask: Callable[[FigureReader], T], wait_s: float, on_read: Callable[[], None]
    ) -> T | Missing:
        """What `ask` says of all payments. One such question is asked at a time, so that they leave room for others.
        "reading" if it takes longer than `wait_s`; `on_read` is called once it is there."""
        return await self._answer(key, lambda history: ask(history.figures), wait_s, on_read, self._of_figures)

    async def payments(self, account_id: str, since_ms: int, rows: int) -> list[PastPayment] | Missing:
        """The account's newest payments since a time, at most `rows`."""
        return await self._answer(
            ("payments", account_id, since_ms, rows),
            lambda history: history.payments(
                "account", account_id, since_ms=since_ms, rows=rows, before=None, limit_s=QUERY_S_MAX
            ),
            PAGE_S_MAX,
            None,
        )

    async def carried(self, kind: EntityKind, values: Sequence[str], on_read: Callable[[], None]) -> Carried | Missing:
        """How many payments carry the first `CARRIED_MAX` of these values. "reading" if it takes longer than a page may
        wait; `on_read` is called once it is there."""
        wanted = tuple(values[:CARRIED_MAX])
        return await self._answer(
            ("carried", kind, wanted), lambda history: _carried(history, kind, wanted), CARRIED_S_MAX, on_read
        )

    async def close(self) -> None:
        """Give up the questions that have no answer yet, and ask no more."""
        if self._history is not None:
            self._history.interrupt()
        for task in list(self._reads.values()):
            task.cancel()
        await asyncio.gather(*self._reads.values(), return_exceptions=True)

    async def _answer(
        self,
        key: Hashable,
        ask: Callable[[History], T],
        wait_s: float,
        on_read: Callable[[], None] | None,
        at_once: asyncio.Semaphore | None = None,
    ) -> T | Missing:
        if self._history is None:
            return "none"
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < KEPT_S:
            return kept[1]  # type: ignore[no-any-return]
        task = self._reads.get(key)
        if task is None:
            task = self._reads[key] = asyncio.create_task(self._read(key, ask, self._history, at_once or self._at_once))
            task.add_done_callback(lambda _: self._reads.pop(key, None))
        done, _ = await asyncio.wait({task}, timeout=wait_s)
        if not done:
            if on_read is not None:
                task.add_done_callback(lambda _: on_read())
            return "reading"
        return task.result()  # type: ignore[no-any-return]

    async def _read(
        self, key: Hashable, ask: Callable[[History], T], history: History, at_once: asyncio.Semaphore
    ) -> T | Missing:
        """Ask in a thread. A failure is kept as well: a store that is too slow is not asked again at once."""
        answer: T | Missing
        try:
            async with at_once:
                answer = await asyncio.to_thread(ask, history)
        except HistoryError as error:
            log.error("the history cannot be read: %s", error.sentence)
            answer = "unreadable"
        self._kept[key] = (time.monotonic(), answer)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return answer


def _of_case(history: History, accounts: tuple[str, ...]) -> CasePast:
    """Blocks. Raises `HistoryError`."""
    until_ms = history.newest_ms() or 0
    since_ms = max(until_ms - DAYS * DAY_MS, 0)
    found = [
        payment
        for account_id in accounts
        for payment in history.payments(
            "account",
            account_id,
            since_ms=since_ms,
            rows=RECENT_MAX // len(accounts),
            before=None,
            limit_s=QUERY_S_MAX,
        )
    ]
    found.sort(key=lambda payment: payment.key, reverse=True)
    return CasePast(since_ms, until_ms, accounts, tuple(found), _network(history, accounts, until_ms))


def _network(history: History, accounts: Sequence[str], until_ms: int) -> Network:
    since_ms = max(until_ms - NETWORK_DAYS * DAY_MS, 0)
    return network_of(history, accounts, since_ms=since_ms, limit_s=QUERY_S_MAX)


def _carried(history: History, kind: EntityKind, values: Sequence[str]) -> Carried:
    """Blocks. Raises `HistoryError`."""
    until_ms = history.newest_ms() or 0
    day_ms = until_ms // DAY_MS * DAY_MS
    since_ms = max(day_ms - (CARRIED_DAYS - 1) * DAY_MS, 0)
    counts = []
    for begin_ms in (day_ms, since_ms):
        found = [history.summary(kind, value, since_ms=begin_ms, limit_s=QUERY_S_MAX) for value in values]
        counts += [sum(each.payments for each in found), sum(each.distinct["account_id"] for each in found)]
    return Carried(day_ms, counts[0], counts[1], since_ms, counts[2], counts[3], len(values))


def _entity(history: History, kind: EntityKind, value: str, before: PageKey | None) -> EntityPast:
    """Blocks. Raises `HistoryError`."""
    until_ms = history.newest_ms() or 0
    since_ms = max(until_ms - DAYS * DAY_MS, 0)
    recent = history.payments(kind, value, since_ms=since_ms, rows=RECENT_MAX, before=None, limit_s=QUERY_S_MAX)
    summary = (
        summary_of(recent)
        if len(recent) < RECENT_MAX
        else history.summary(kind, value, since_ms=since_ms, limit_s=QUERY_S_MAX)
    )
    rows: Sequence[PastPayment] = recent
    if before is not None:
        rows = history.payments(kind, value, since_ms=since_ms, rows=ROWS_MAX + 1, before=before, limit_s=QUERY_S_MAX)
    accounts, network = None, None
    if kind == "account":
        network = _network(history, [value], until_ms)
    else:
        found = history.accounts(kind, value, since_ms=since_ms, rows=ACCOUNTS_MAX, limit_s=QUERY_S_MAX)
        accounts = tuple(found)
    return EntityPast(
        since_ms,
        until_ms,
        summary,
        tuple(recent),
        tuple(rows[:ROWS_MAX]),
        rows[ROWS_MAX - 1].key if len(rows) > ROWS_MAX else None,
        accounts,
        network,
    )
