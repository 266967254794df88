"""Writes the view in Redis asynchronously, without delaying the agent.

The agent passes the cases that it has written to Kafka; a task of its own writes them to the view. While Redis (or
Kafka, to rebuild from) does not answer, the writer keeps the newest version of at most `WAITING_MAX` cases; beyond that
it only records that the partition must be rebuilt from the topic.

The view holds a mark for each partition: the offset in `cases` up to which the view is complete. When Redis comes back
empty or with an older copy, its marks are lower than they were, and the partitions are rebuilt. A mark beyond the end
of the topic belongs to another log (the topic was created again): the view is emptied and rebuilt.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

from aiokafka.errors import KafkaError
from redis import RedisError

from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.observer import Observer
from fraudstream.cases.redis_error_text import redis_error_text
from fraudstream.cases.retention import ErasedCase
from fraudstream.cases.view import CaseView
from fraudstream.contracts import Case
from fraudstream.kafka.error_text import kafka_error_text

WAITING_MAX: Final = 10_000
CHECK_INTERVAL_S: Final = 5.0  # how often the marks are checked while there is nothing to write
RETRY_S: Final = 1.0

log = logging.getLogger(__name__)


class ViewWriter:
    """Updates `view` with the cases that are put in. `run` is a task that lasts as long as the agent; `assign` and
    `put` return at once.

    `case_log`: where partitions are rebuilt from.
    """

    def __init__(
        self, view: CaseView, case_log: CaseLog, observer: Observer, check_interval_s: float = CHECK_INTERVAL_S
    ) -> None:
        self._view = view
        self._case_log = case_log
        self._observer = observer
        self._check_interval_s = check_interval_s
        self._ends: dict[int, int] = {}  # assigned partition: offset after its last case
        self._marks: dict[int, int] = {}  # the view's mark when it was last read
        # by partition and case_id: the newest version, or that the case has left
        self._waiting: dict[int, dict[str, Case | ErasedCase]] = {}
        self._outdated: set[int] = set()  # partitions to rebuild
        self._work = asyncio.Event()
        self._writing = asyncio.Lock()  # held by one round of `run`, or by `drain`
        self._lost = False
        self._stopping = False

    def assign(self, ends: dict[int, int]) -> None:
        """Replace the assigned partitions. `ends`: the offset after the last case of each."""
        for partition in self._ends.keys() - ends.keys():
            self._waiting.pop(partition, None)
            self._marks.pop(partition, None)
            self._outdated.discard(partition)
        self._ends = dict(ends)
        self._work.set()

    @property
    def ends(self) -> dict[int, int]:
        """The offset after the last case of each assigned partition."""
        return dict(self._ends)

    def put(self, partition: int, cases: Sequence[Case | ErasedCase], offset: int) -> None:
        """Cases that were written to Kafka or removed, in order, the last record at `offset`."""
        self._ends[partition] = offset + 1
        if partition not in self._outdated:
            self._waiting.setdefault(partition, {}).update((case.case_id, case) for case in cases)
            if self._waiting_cases > WAITING_MAX:
                log.warning("more than %d cases wait for the view: it will be rebuilt from the topic", WAITING_MAX)
                self._outdated.update(self._waiting)
                self._waiting.clear()
        self._work.set()

    async def run(self) -> None:
        """Write what is put in, until `drain`. Cancelling does not end it: aiokafka swallows a cancellation while a
        consumer stops."""
        while not self._stopping:
            try:
                self._work.clear()
                await self._catch_up()
            except (RedisError, KafkaError, OSError) as error:  # TimeoutError is an OSError
                self._on_failure(error)
                await asyncio.sleep(RETRY_S)
                continue
            self._on_success()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check_interval_s):
                    await self._work.wait()

    async def drain(self, seconds: float) -> None:
        """Stop: write what waits within `seconds`. Partitions that stay outdated are rebuilt at the next start."""
        self._stopping = True
        self._work.set()
        try:
            async with asyncio.timeout(seconds):
                await self._catch_up()
        except (RedisError, KafkaError, OSError) as error:
            log.warning("the view is not up to date; it will be rebuilt at the next start: %s", _in_words(error))

    async def _catch_up(self) -> None:
        async with self._writing:
            owned = self._ends
            await self._find_outdated()
            for partition in sorted(self._outdated & owned.keys()):
                if self._ends is owned:  # else the assignment changed: the next round checks first
                    await self._rebuild(partition)
            for partition in sorted(self._waiting.keys() & owned.keys()):
                if self._ends is owned:
                    await self._write(partition)

    async def _find_outdated(self) -> None:
        """Compare the view's marks with the topic and with what they were, and note the partitions to rebuild."""
        marks = await self._view.marks()
        for partition, end in self._ends.items():
            mark, known = marks.get(partition), self._marks.get(partition)
            if mark is not None and known is None and await self._is_of_another_log(partition, mark, end):
                await self._empty_view()
                return
            if mark is None and known is None and end == 0:
                continue  # no case was ever written
            if mark is None or mark < (end if known is None else known):
                self._outdated.add(partition)
            elif known is None:
                self._marks[partition] = mark

    async def _is_of_another_log(self, partition: int, mark: int, end: int) -> bool:
        """Whether the view's mark is beyond the end of the topic. `end`: where the topic ended at the recovery."""
        if mark <= end:
            return False
        end_now = await self._case_log.end(partition)
        if mark <= end_now:
            return False
        log.warning("the view's mark of partition %d is %d but the topic ends at %d: emptied", partition, mark, end_now)
        return True

    async def _empty_view(self) -> None:
        """Empty the view and note that all partitions must be rebuilt."""
        await self._view.clear()
        self._marks.clear()
        self._outdated.update(self._ends)

    async def _rebuild(self, partition: int) -> None:
        owned, end = self._ends, self._ends[partition]
        log.info("rebuilding the view of partition %d from the topic %s", partition, self._case_log.topic)
        self._waiting.pop(partition, None)  # all of them are in the topic before `end`
        self._outdated.discard(partition)
        try:
            removed: set[str] = set()
            await self._view.put_all(partition, self._cases_of(partition, removed))
            await self._view.remove(sorted(removed))
            await self._mark(partition, None, end, owned)
        except BaseException:
            self._outdated.add(partition)
            raise

    async def _cases_of(self, partition: int, removed: set[str]) -> AsyncIterator[Case]:
        """The cases of the topic. `removed`: filled with the ids of those that have left in the end."""
        async for record in self._case_log.read(partition):
            if record.held is not None:
                removed.discard(record.case_id)
                yield record.held.case
            elif record.position is None:
                removed.add(record.case_id)

    async def _write(self, partition: int) -> None:
        """Write the waiting cases of a partition. They are removed only afterwards, so a failure loses none."""
        cases, owned, end = dict(self._waiting[partition]), self._ends, self._ends[partition]
        believed = self._marks.get(partition)
        await self._view.put(partition, [each for each in cases.values() if isinstance(each, Case)])
        await self._view.remove([each.case_id for each in cases.values() if isinstance(each, ErasedCase)])
        if not await self._mark(partition, believed, end, owned):
            log.warning("the view lost data of partition %d: it will be rebuilt", partition)
            self._marks.pop(partition, None)
            self._outdated.add(partition)
            self._work.set()
        waiting = self._waiting.get(partition, {})
        for case_id, case in cases.items():
            if waiting.get(case_id) is case:
                del waiting[case_id]
        if not waiting:
            self._waiting.pop(partition, None)

    async def _mark(self, partition: int, believed: int | None, offset: int, owned: dict[int, int]) -> bool:
        """Raise the view's mark to `offset`; False if it is below `believed`.

        `owned`: the assignment when this write began. If it has changed, the mark is read again in the next round, as
        cases that waited may have been dropped.
        """
        marked = await self._view.mark(partition, believed, offset)
        if marked and self._ends is owned:
            self._marks[partition] = offset
        return marked

    @property
    def _waiting_cases(self) -> int:
        return sum(len(cases) for cases in self._waiting.values())

    def _on_success(self) -> None:
        if self._lost:
            log.warning("the view is up to date again")
        self._lost = False
        self._observer.on_view(behind=self._waiting_cases, lost=False)

    def _on_failure(self, error: RedisError | KafkaError | OSError) -> None:
        if not self._lost:
            log.error("the view cannot be written and is out of date: %s", _in_words(error))
        self._lost = True
        self._observer.on_view(behind=self._waiting_cases, lost=True)


def _in_words(error: RedisError | KafkaError | OSError) -> str:
    return kafka_error_text(error) if isinstance(error, KafkaError) else redis_error_text(error)
