"""Keeps the view up with the agent, without ever holding the agent up.

The agent hands in what it has emitted. A task of its own writes it; when Redis (or Kafka, to rebuild from) does not
answer it says so once, keeps the newest version of at most `WAITING_MAX` cases, and beyond that only the note that a
partition has to be rebuilt from the topic. When Redis is back, empty, or on an older copy of itself, the marks in it
tell, and the partition is rebuilt.
A mark beyond the end of the topic belongs to another log (topic made anew): the view is emptied and rebuilt.
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
from fraudstream.cases.view import CaseView
from fraudstream.contracts import Case

WAITING_MAX: Final = 10_000
LOOK_S: Final = 5.0  # how often the marks are looked at when there is nothing to write
RETRY_S: Final = 1.0

log = logging.getLogger(__name__)


class ViewWriter:
    """`run` is a task for as long as the agent lives; the other methods return at once."""

    def __init__(self, view: CaseView, case_log: CaseLog, observer: Observer, look_s: float = LOOK_S) -> None:
        self._view = view
        self._case_log = case_log
        self._observer = observer
        self._look_s = look_s
        self._ends: dict[int, int] = {}  # owned partition to the offset after its last case
        self._marks: dict[int, int] = {}  # what the view's mark was, when last seen
        self._waiting: dict[int, dict[str, Case]] = {}  # by partition and case_id, the newest version
        self._behind: set[int] = set()  # partitions to rebuild
        self._work = asyncio.Event()
        self._writing = asyncio.Lock()  # the task's rounds and the last one of a stop take turns
        self._lost = False
        self._stopping = False

    def assign(self, ends: dict[int, int]) -> None:
        """These partitions are ours, with the offset after the last case of each; others are another agent's."""
        for partition in self._ends.keys() - ends.keys():
            self._waiting.pop(partition, None)
            self._marks.pop(partition, None)
            self._behind.discard(partition)
        self._ends = dict(ends)
        self._work.set()

    @property
    def ends(self) -> dict[int, int]:
        """Owned partition to the offset after its last case."""
        return dict(self._ends)

    def put(self, partition: int, cases: Sequence[Case], offset: int) -> None:
        """These cases were emitted, in order, the last at `offset`."""
        self._ends[partition] = offset + 1
        if partition not in self._behind:
            self._waiting.setdefault(partition, {}).update((case.case_id, case) for case in cases)
            if self._waiting_cases > WAITING_MAX:
                log.warning("more than %d cases wait for the view: it will be rebuilt from the topic", WAITING_MAX)
                self._behind.update(self._waiting)
                self._waiting.clear()
        self._work.set()

    async def run(self) -> None:
        """Write what comes, until `drain`. Not until cancelled: aiokafka swallows a cancellation while a consumer
        stops."""
        while not self._stopping:
            try:
                self._work.clear()
                await self._catch_up()
            except (RedisError, KafkaError, OSError) as error:  # a time-out is an OSError
                self._miss(error)
                await asyncio.sleep(RETRY_S)
                continue
            self._found()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._work.wait()

    async def drain(self, seconds: float) -> None:
        """The end: try to write what waits, within a bound. What is left is found behind at the next start."""
        self._stopping = True
        self._work.set()
        try:
            async with asyncio.timeout(seconds):
                await self._catch_up()
        except (RedisError, KafkaError, OSError) as error:
            log.warning("the view is left behind and will catch up at the next start: %s", error or "no time left")

    async def _catch_up(self) -> None:
        async with self._writing:
            owned = self._ends
            await self._look()
            for partition in sorted(self._behind & owned.keys()):
                if self._ends is owned:  # else partitions came or went meanwhile: the next round looks at them first
                    await self._rebuild(partition)
            for partition in sorted(self._waiting.keys() & owned.keys()):
                if self._ends is owned:
                    await self._write(partition)

    async def _look(self) -> None:
        """Compare the view's marks with the topic and with what they were: who is behind?"""
        marks = await self._view.marks()
        for partition, end in self._ends.items():
            mark, known = marks.get(partition), self._marks.get(partition)
            if known is None and mark is not None and mark > end and mark > await self._case_log.end(partition):
                log.warning("the view has partition %d up to %d, the topic ends at %d: emptied", partition, mark, end)
                await self._view.clear()
                self._marks.clear()
                self._behind.update(self._ends)
                return
            if mark is None and end == 0 and known is None:
                continue  # nothing was ever emitted
            if mark is None or mark < (end if known is None else known):
                self._behind.add(partition)
            elif known is None:
                self._marks[partition] = mark

    async def _rebuild(self, partition: int) -> None:
        owned, end = self._ends, self._ends[partition]
        log.info("rebuilding the view of partition %d from the topic %s", partition, self._case_log.topic)
        self._waiting.pop(partition, None)  # all of it stands in the topic before `end`
        self._behind.discard(partition)
        try:
            await self._view.put_all(partition, self._emitted(partition))
            await self._mark(partition, None, end, owned)
        except BaseException:
            self._behind.add(partition)
            raise

    async def _emitted(self, partition: int) -> AsyncIterator[Case]:
        async for record in self._case_log.read(partition):
            yield record.held.case

    async def _write(self, partition: int) -> None:
        """Cases stay in waiting until they are written: a failure on the way loses nothing, a repeat is harmless."""
        cases, owned, end = dict(self._waiting[partition]), self._ends, self._ends[partition]
        believed = self._marks.get(partition)
        await self._view.put(partition, list(cases.values()))
        if not await self._mark(partition, believed, end, owned):
            log.warning("the view has lost partition %d: it will be rebuilt", partition)
            self._marks.pop(partition, None)
            self._behind.add(partition)
            self._work.set()
        waiting = self._waiting.get(partition, {})
        for case_id, case in cases.items():
            if waiting.get(case_id) is case:
                del waiting[case_id]
        if not waiting:
            self._waiting.pop(partition, None)

    async def _mark(self, partition: int, believed: int | None, offset: int, owned: dict[int, int]) -> bool:
        """`owned`: the partitions and their ends when this write began. If others are ours by now, the mark is looked
        at anew: what waited beyond it may have been given up in between."""
        marked = await self._view.mark(partition, believed, offset)
        if marked and self._ends is owned:
            self._marks[partition] = offset
        return marked

    @property
    def _waiting_cases(self) -> int:
        return sum(len(cases) for cases in self._waiting.values())

    def _found(self) -> None:
        if self._lost:
            log.warning("the view is up to date again")
        self._lost = False
        self._observer.on_view(behind=self._waiting_cases, lost=False)

    def _miss(self, error: Exception) -> None:
        if not self._lost:
            log.error("the view can't be written and stands still, cases go on: %s", error or type(error).__name__)
        self._lost = True
        self._observer.on_view(behind=self._waiting_cases, lost=True)
