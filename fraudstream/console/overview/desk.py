"""Answers the overview from the index of cases, and tells open pages when it has changed.

Analysts' actions change cases several times a second, and an overview is read for minutes: so an answer is kept for
`KEPT_MS`, and open pages are told at most once in `TOLD_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

from fraudstream.console.access.teams import Team
from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.overview.case_figures import CaseFigures, case_figures

KEPT_MS: Final = 2_000
KEPT_MAX: Final = 50
TOLD_S: Final = 5.0
PAGE: Final = "overview"  # of `LiveChanges.on_page`


class OverviewDesk:
    """`zone`: where days begin. `now_ms`: the clock, ms since the epoch, UTC."""

    def __init__(self, index: CaseIndex, live: LiveChanges, zone: ZoneInfo, now_ms: Callable[[], int]) -> None:
        self._index, self._live, self._zone, self._now_ms = index, live, zone, now_ms
        self._kept: dict[tuple[int, Team | None], tuple[int, CaseFigures]] = {}  # with the sequence before it was made
        self._told = live.sequence
        self._asking = asyncio.Lock()  # many who ask at once share one answer

    async def case_figures(self, days: int, team: Team | None) -> CaseFigures:
        """The overview of the last `days` days, for what the team sees; at most `KEPT_MS` old, and with every change
        that open pages have been told of."""
        async with self._asking:
            sequence, found = self._kept.get((days, team), (-1, None))
            if found is None or sequence < self._told or not 0 <= self._now_ms() - found.at_ms <= KEPT_MS:
                sequence = self._live.sequence
                found = await asyncio.to_thread(case_figures, self._index.tally, days, team, self._zone, self._now_ms())
                if len(self._kept) >= KEPT_MAX:
                    self._kept.clear()
                self._kept[days, team] = sequence, found
            return found

    async def run(self) -> None:
        """Until cancelled: tell open pages that cases have changed."""
        while True:
            await asyncio.sleep(TOLD_S)
            if self._live.sequence != self._told:
                self._told = self._live.sequence
                self._live.on_page(PAGE)
