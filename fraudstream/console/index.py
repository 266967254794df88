"""The index of all cases, kept by the feed of the topic `cases`: ordered, filtered, searched and counted on demand.

Cases are in an index on disk, to which changes are committed at most once in `COMMIT_INTERVAL_S`. Cases that have
changed since are in memory, and every answer is made of both: the committed cases without those that have changed,
and the changed ones as they are now. So answers are exact and include every change at once.

While the topic is read at the start, changes are seen from the next commit on, at most once in `BUILD_INTERVAL_S`. The
writer's thread takes them in batches, while the next are read. If that fails, the topic is read again from the last
commit on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, TypeVar

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_order import SortKey, sort_key
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.search.batches import DocumentBatches
from fraudstream.console.search.current_cases import CurrentCases, QueuePage
from fraudstream.console.search.disk_index import DiskIndex, IndexWriteError
from fraudstream.console.search.entry import CaseEntry, entry_of
from fraudstream.console.search.schema import document_of
from fraudstream.console.search.tally import Tallied, Tally
from fraudstream.contracts import Case

COMMIT_INTERVAL_S: Final = 0.5
BUILD_INTERVAL_S: Final = 15.0  # many commits make small segments, which are merged again and again
IDLE_INTERVAL_S: Final = 600.0  # a commit without changes says that the index is not old
RETRY_S: Final = 5.0
UNWRITTEN_MAX: Final = 20_000  # changes that wait for a commit; more of them cost memory, fewer more commits
_PAGES_KEPT: Final = 32

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class CaseIndex:
    """The newest row of each case. Questions may be asked in any thread; all else is called by the event loop.

    `is_live`: show changes at once, as after `on_live`."""

    def __init__(self, disk: DiskIndex, *, is_live: bool = False) -> None:
        self._disk = disk
        self._committed = disk.committed
        self._recent: dict[str, CaseEntry | None] = {}  # changed since the last commit; None: deleted
        self._unwritten: dict[str, CaseEntry | None] = {}
        self._topic_id, self._offsets = "", dict[int, int]()
        if disk.position is not None:
            self._topic_id, self._offsets = disk.position.topic_id, dict(disk.position.offsets)
        self._is_live = is_live
        self._has_changed = False
        self._committed_at_s = time.monotonic()
        self._writing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "case-index")
        self._batches = DocumentBatches(lambda batch: self._in_thread(lambda: disk.add(batch)))
        self._generation = 0
        self._pages: OrderedDict[object, QueuePage] = OrderedDict()
        self._pages_lock = Lock()
        self._asking: dict[object, asyncio.Task[QueuePage]] = {}

    @property
    def offsets(self) -> Mapping[int, int]:
        """The next record to read, by partition of the topic."""
        return self._offsets

    async def follow(self, topic_id: str) -> None:
        """The topic that is read has this id. An index of another topic is cleared."""
        if self._topic_id not in ("", topic_id):
            log.warning("the topic of cases has been made anew: the index of cases is built anew")
            await self.clear()
        self._topic_id = topic_id

    async def clear(self) -> None:
        """Forget every case, and read the topic from its start."""
        async with self._writing:
            await self._batches.drop()
            await self._in_thread(self._disk.clear)
            self._committed, self._is_live = self._disk.committed, False
            self._topic_id, self._offsets = "", {}
            self._unwritten.clear()
            self._recent.clear()
            self._forget_pages()

    async def rewind(self) -> None:
        """Forget what has not been committed, and read the topic from there. For an index that is not live."""
        async with self._writing:
            await self._batches.drop()
            await self._in_thread(self._disk.rewind)
            self._offsets = {} if self._disk.position is None else dict(self._disk.position.offsets)

    def put(self, case: Case, partition: int) -> bool:
        """Add or replace a case. False, and no change, if the index is live and has the same or a newer version."""
        if not self._is_live:
            self._batches.put(case.case_id, document_of(entry_of(case, partition)))
            return True
        held = self.row(case.case_id)
        if held is not None and held.version >= case.version:
            return False
        self._change(case.case_id, entry_of(case, partition))
        return True

    def remove(self, case_id: str) -> bool:
        """A case has been deleted. False, and no change, if the index is live and does not have it."""
        if not self._is_live:
            self._batches.put(case_id, None)
            return True
        if self.row(case_id) is None:
            return False
        self._change(case_id, None)
        return True

    def on_read(self, partition: int, next_offset: int) -> None:
        """The topic has been read to before that offset, and what was read is in the index."""
        self._offsets[partition] = next_offset
        self._has_changed = True

    async def on_live(self) -> None:
        """The topic has been read to its end: commit, and show changes at once from now on. Raises `IndexWriteError`:
        `rewind` is then due."""
        if not self._is_live:
            await self.commit()
            self._is_live = True

    async def make_room(self) -> None:
        """Wait until few enough changes are in memory. Raises `IndexWriteError`: `rewind` is then due."""
        if not self._is_live:
            await self._batches.make_room()
            return
        while len(self._unwritten) >= UNWRITTEN_MAX:
            await self._try_to_commit()

    async def run(self) -> None:
        """Commit from time to time, until cancelled. Errors are logged, and it is tried again."""
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            since_s = time.monotonic() - self._committed_at_s
            if since_s < (COMMIT_INTERVAL_S if self._is_live else BUILD_INTERVAL_S):
                continue
            if self._has_changed or since_s >= IDLE_INTERVAL_S:
                await self._try_to_commit()

    async def commit(self) -> None:
        """Commit what has changed. Raises `IndexWriteError`; what has changed is then kept for the next time."""
        async with self._writing:
            changes, self._unwritten = self._unwritten, {}
            topic_id, offsets, self._has_changed = self._topic_id, dict(self._offsets), False
            self._batches.hand_over()
            try:
                await self._in_thread(lambda: self._disk.commit(changes, topic_id, offsets))
            except IndexWriteError:
                self._unwritten, self._has_changed = changes | self._unwritten, True
                raise
            self._committed = self._disk.committed
            # In this order: a question takes the changes first, so it never misses one.
            for case_id, entry in changes.items():
                if self._recent.get(case_id, _ABSENT) is entry:
                    del self._recent[case_id]
            self._committed_at_s = time.monotonic()
            self._forget_pages()

    async def close(self) -> None:
        """Commit, and let go of the directory."""
        try:
            await self.commit()
        except IndexWriteError as error:
            log.error("the index of cases cannot be written: %s", error)
        await self._batches.drop()
        await self._in_thread(self._disk.close)
        self._thread.shutdown()

    def row(self, case_id: str) -> CaseRow | None:
        """The row of a case; None if the index does not have it."""
        recent = self._recent.get(case_id, _ABSENT)
        return self._committed.row(case_id) if isinstance(recent, _Absent) else _row_of(recent)

    def of_account(self, account_id: str) -> list[CaseRow]:
        """The rows of an account's newest cases, the newest first."""
        return self._now().of_account(account_id)

    def page(self, query: QueueQuery, after: SortKey | None, limit: int) -> QueuePage:
        """The first `limit` rows of the query that come after `after` in its order."""
        asked = (self._generation, query, after, limit)
        with self._pages_lock:
            page = self._pages.get(asked)
        if page is None:
            page = self._now().page(query, after, limit)
            with self._pages_lock:
                self._pages[asked] = page
                if len(self._pages) > _PAGES_KEPT:
                    self._pages.popitem(last=False)
        return page

    async def shared_page(self, query: QueueQuery, after: SortKey | None, limit: int) -> QueuePage:
        """The same without blocking; those who ask for one page at the same time share one search. It has every change
        up to the call."""
        asked = (self._generation, query, after, limit)
        with self._pages_lock:
            page = self._pages.get(asked)
        if page is not None:
            return page
        task = self._asking.get(asked)
        if task is None:
            task = self._asking[asked] = asyncio.create_task(asyncio.to_thread(self.page, query, after, limit))
            task.add_done_callback(lambda _: self._asking.pop(asked))
        return await asyncio.shield(task)  # who no longer waits must not cancel it for the others

    def tally(self, asked: Tally) -> Tallied:
        """Counts and sums over the cases that match a query."""
        return self._now().tally(asked)

    def neighbours(self, row: CaseRow, query: QueueQuery) -> tuple[CaseRow | None, CaseRow | None]:
        """The rows of the query before and after `row`, which need not match it itself."""
        here, now = sort_key(row, query.order), self._now()
        before, behind = now.rows(query, here, "before", 1), now.rows(query, here, "after", 1)
        return (before[0][1] if before else None), (behind[0][1] if behind else None)

    def _now(self) -> CurrentCases:
        recent = dict(self._recent)  # before the committed ones are taken: see `commit`
        return CurrentCases(self._committed, recent)

    def _change(self, case_id: str, entry: CaseEntry | None) -> None:
        self._unwritten[case_id] = entry
        self._recent[case_id] = entry
        self._has_changed = True
        self._forget_pages()

    async def _try_to_commit(self) -> None:
        """Commit. A failure is logged, and waited for."""
        try:
            await self.commit()
        except IndexWriteError as error:
            log.error("the index of cases cannot be written: %s", error)
            await asyncio.sleep(RETRY_S)

    def _in_thread(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """The future result of work in the writer's thread, which does one thing after the other."""
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _forget_pages(self) -> None:
        self._generation += 1  # so that a page that is being made does not serve later
        with self._pages_lock:
            self._pages.clear()


class _Absent:
    """The type of `_ABSENT`."""


_ABSENT: Final = _Absent()


def _row_of(entry: CaseEntry | None) -> CaseRow | None:
    return None if entry is None else entry.row
