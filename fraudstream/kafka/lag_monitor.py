"""Whether the brokers answer, and how many records wait in each partition, from requests separate from fetching.

So an outage is detected also while nothing is fetched, or while fetched records wait to be processed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.kafka.outage_logger import OutageLogger

ANSWER_S_MAX: Final = 3.0

EndsT = TypeVar("EndsT")


class MonitoredLog(Protocol[EndsT]):
    """The partitions whose lag is monitored. `EndsT`: their ends, in the form that `lag` takes."""

    async def ends(self, partitions: Collection[int]) -> EndsT:
        """Ask the brokers for the ends of these partitions. Raises one of `BROKER_ERRORS` if none answers."""

    def lag(self, partition: int, ends: EndsT) -> int | None:
        """How many records of the partition are not processed yet; None if nothing of it is to be reported."""


class ObservesLag(Protocol):
    """Receives what the monitor finds. Methods must return at once."""

    def on_brokers(self, *, answer: bool) -> None:
        """Whether brokers answered just now."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """`lag` records of the partition are not processed yet."""


class LagMonitor(Generic[EndsT]):
    """Reports the lag of the partitions that a process holds."""

    def __init__(
        self, *, held: Mapping[int, object], log: MonitoredLog[EndsT], outage: OutageLogger, observer: ObservesLag
    ) -> None:
        """`held`: a live view of the partitions held, by number; a different object means that it was assigned
        again."""
        self._held, self._log, self._outage, self._observer = held, log, outage, observer

    async def look(self) -> None:
        """Ask the brokers once and report; without partitions ask for partition 0, to see whether they answer.

        Takes `ANSWER_S_MAX` at most. Partitions that left meanwhile are not reported.
        """
        held = dict(self._held)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                ends = await self._log.ends(held.keys() or (0,))
        except BROKER_ERRORS as error:
            self._outage.failed(error)
            self._observer.on_brokers(answer=False)
            return
        self._outage.recovered()
        self._observer.on_brokers(answer=True)
        self.report([number for number, holder in held.items() if self._held.get(number) is holder], ends)

    def report(self, partitions: Iterable[int], ends: EndsT) -> None:
        """Report the lag of partitions that are held. `ends`: as far as known."""
        for number in partitions:
            if (lag := self._log.lag(number, ends)) is not None:
                self._observer.on_lag(number, lag=lag)
