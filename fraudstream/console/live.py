"""Tells browsers which cases have changed, as server-sent events.

An event names the cases and the sequence after the changes; the browser then asks for its page again. So
an event is small and the same for everybody, whatever their filters, language and role.

    event: changes
    data: {"instance":"a81b","sequence":1204,"state":"live","cases":["b42be4f8…"],"pages":[]}

`cases` is null if too much has changed to tell. `pages` names pages that show something else than cases, such as a
trial; null in the first event. Several changes within `GATHER_S` are one event, and events are `INTERVAL_S` apart: a
browser asks for what is newest by then, so while changes go on, telling it more often would show none of them sooner.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal

FeedState = Literal["starting", "live", "lost"]

GATHER_S: Final = 0.05
INTERVAL_S: Final = 0.2
HEARTBEAT_S: Final = 15.0
CHANGES_KEPT: Final = 1_000


class LiveChanges:
    """The changes of one process. `sequence` counts them; `instance` is another one in every process, as sequences of
    different processes cannot be compared."""

    def __init__(self, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.instance = secrets.token_hex(4)
        self.sequence = 0
        self._heartbeat_s = heartbeat_s
        self._changes: deque[tuple[int, str]] = deque(maxlen=CHANGES_KEPT)  # sequence, case_id
        self._page_changes: deque[tuple[int, str]] = deque(maxlen=CHANGES_KEPT)  # count, name
        self._page_count = 0
        self._state: FeedState = "starting"
        self._closed = False
        self._waiting: set[asyncio.Event] = set()
        self._text: tuple[object, str] = (None, "")  # of the last event, and what it was made of

    @property
    def state(self) -> FeedState:
        """Whether the index is up to date: "starting": not yet; "lost": no longer, as Kafka does not answer."""
        return self._state

    def on_case(self, case_id: str) -> None:
        """A case has changed, or what its page shows."""
        self.sequence += 1
        self._changes.append((self.sequence, case_id))
        self._wake()

    def on_page(self, name: str) -> None:
        """What the page `name` shows, which is not cases, has changed."""
        self._page_count += 1
        self._page_changes.append((self._page_count, name))
        self._wake()

    def on_state(self, state: FeedState) -> None:
        """The state of the feed is `state`."""
        if state != self._state:
            self._state = state
            self._wake()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    async def events(self, may_go_on: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
        """The text of an event stream: the present sequence at once, then changes until `close`.

        Without changes a comment is sent every `heartbeat_s`, and the stream ends unless `may_go_on()`.
        """
        woken = asyncio.Event()
        self._waiting.add(woken)
        try:
            known, pages_known, told_at_s = self.sequence, self._page_count, -INTERVAL_S
            yield self._event((), None)
            while not self._closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat_s):
                        await woken.wait()
                if not woken.is_set():
                    if not await may_go_on():
                        return
                    yield ": alive\n\n"
                    continue
                await asyncio.sleep(max(GATHER_S, told_at_s + INTERVAL_S - time.monotonic()))
                woken.clear()
                text = self._changes_after(known, pages_known)
                known, pages_known, told_at_s = self.sequence, self._page_count, time.monotonic()
                yield text
        finally:
            self._waiting.discard(woken)

    def _changes_after(self, known: int, pages_known: int) -> str:
        """The event with the changes since these counts. Most streams have told the same so far, and share its text."""
        made_of = known, pages_known, self.sequence, self._page_count, self._state
        if self._text[0] != made_of:
            event = self._event(_after(known, self._changes), _after(pages_known, self._page_changes))
            self._text = made_of, event
        return self._text[1]

    def _event(self, cases: tuple[str, ...] | None, pages: tuple[str, ...] | None) -> str:
        data = {
            "instance": self.instance,
            "sequence": self.sequence,
            "state": self._state,
            "cases": cases,
            "pages": pages,
        }
        return f"event: changes\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"

    def _wake(self) -> None:
        for woken in self._waiting:
            woken.set()


def _after(known: int, changes: deque[tuple[int, str]]) -> tuple[str, ...] | None:
    """What has changed after the `known`-th change, once each; None if not all of it is remembered."""
    if changes and changes[0][0] > known + 1:
        return None
    return tuple(dict.fromkeys(name for count, name in changes if count > known))
