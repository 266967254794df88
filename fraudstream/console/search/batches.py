"""Documents on their way to the index while the topic is read at the start.

The writer's thread takes them in batches, one after the other, while the next are made. They are documents rather than
cases, as texts are small, and the garbage collector does not visit them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from fraudstream.console.search.disk_index import Documents

BATCH_CASES: Final = 2_000
BATCHES_MAX: Final = 16  # that wait for the thread: it stands still for a second while a segment is written


class DocumentBatches:
    """`add`: adds documents to the index in its thread. Its errors are raised later, by `make_room`."""

    def __init__(self, add: Callable[[Documents], asyncio.Future[None]]) -> None:
        self._add = add
        self._next: dict[str, str | None] = {}
        self._waiting = deque[asyncio.Future[None]]()

    def put(self, case_id: str, document: str | None) -> None:
        """Add or replace the document of a case; None: the case has been deleted."""
        self._next[case_id] = document

    async def make_room(self) -> None:
        """Hand over a batch that is full, and wait while too many wait for the thread. Raises `IndexWriteError`."""
        if len(self._next) >= BATCH_CASES:
            self.hand_over()
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > BATCHES_MAX):
            await self._waiting.popleft()

    def hand_over(self) -> None:
        """Hand over what has been put."""
        if self._next:
            batch, self._next = self._next, {}
            self._waiting.append(self._add(batch))

    async def drop(self) -> None:
        """Forget what has been put and not handed over, and wait for the thread."""
        self._next.clear()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        self._waiting.clear()
