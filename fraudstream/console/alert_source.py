"""The complete alerts of a case, from memory or read from their topic: their reasons are what a case page shows.

`AlertFeed` puts new alerts here; older ones are read when a page asks. An alert never changes, so it is kept. A page
waits for a read only so long; the read goes on, and the page is told when it is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from fraudstream.contracts import Alert
from fraudstream.kafka.error_text import kafka_error_text

KEPT_MAX: Final = 5_000
AT_ONCE_MAX: Final = 2
READ_S_MAX: Final = 120.0

Missing = Literal["reading", "gone", "unreadable"]
ReadAlerts = Callable[[int, Sequence[str]], Awaitable[Mapping[str, Alert]]]

log = logging.getLogger(__name__)


class FoundAlerts(NamedTuple):
    """The alerts by id, and why some are missing: still being read, no longer on their topic, or Kafka has failed."""

    alerts: Mapping[str, Alert]
    missing: Missing | None


class AlertSource:
    """Finds alerts by id. `read`: reads those of one partition; those that it does not return are no longer there."""

    def __init__(self, read: ReadAlerts, kept_max: int = KEPT_MAX) -> None:
        self._read, self._kept_max = read, kept_max
        self._kept: OrderedDict[str, Alert] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._reads: dict[str, asyncio.Task[None]] = {}  # by case_id
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    async def find(
        self,
        case_id: str,
        partition: int,
        alert_ids: Sequence[str],
        wait_s: float,
        on_read: Callable[[], None],
    ) -> FoundAlerts:
        """The alerts of a case. Waits `wait_s` seconds at most for those to be read; `on_read` is called when a read
        ends that took longer."""
        wanted = [each for each in alert_ids if each not in self._kept and each not in self._gone]
        failed = False
        if wanted:
            task = self._reads.get(case_id)
            if task is None:
                task = self._reads[case_id] = asyncio.create_task(self._fill(partition, wanted))
                task.add_done_callback(lambda _: self._reads.pop(case_id, None))
            done, _ = await asyncio.wait({task}, timeout=wait_s)
            if not done:
                task.add_done_callback(lambda _: on_read())
                return FoundAlerts(self._held(alert_ids), "reading")
            failed = task.exception() is not None
        held = self._held(alert_ids)
        if len(held) == len(set(alert_ids)):
            return FoundAlerts(held, None)
        return FoundAlerts(held, "unreadable" if failed else "gone")

    def keep(self, alerts: Iterable[Alert]) -> None:
        """Keep alerts that were read from the topic; of more than `kept_max`, those that were used or read last."""
        for each in alerts:
            self._kept[each.alert_id] = each
            self._gone.pop(each.alert_id, None)
        self._limit()

    def forget(self, is_erased: Callable[[str], bool]) -> None:
        """Drop the alerts of the accounts, by id, for which `is_erased` answers yes."""
        for alert_id in [name for name, alert in self._kept.items() if is_erased(alert.account_id)]:
            del self._kept[alert_id]

    async def close(self) -> None:
        """Cancel reads that have not ended."""
        tasks = list(self._reads.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _held(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        for alert_id in alert_ids:
            if alert_id in self._kept:
                self._kept.move_to_end(alert_id)
        return {alert_id: self._kept[alert_id] for alert_id in alert_ids if alert_id in self._kept}

    async def _fill(self, partition: int, alert_ids: Sequence[str]) -> None:
        try:
            async with self._at_once, asyncio.timeout(READ_S_MAX):
                found = await self._read(partition, alert_ids)
        except Exception as error:
            log.error("alerts of partition %d cannot be read: %s", partition, kafka_error_text(error))
            raise
        self._gone.update(dict.fromkeys(set(alert_ids) - found.keys()))
        self.keep(found.values())

    def _limit(self) -> None:
        for kept in (self._kept, self._gone):
            while len(kept) > self._kept_max:
                kept.popitem(last=False)
