"""What every process of ours answers: is it healthy (else start it again), is it ready (else do not count on it)?

Unhealthy is only what a restart helps: a failure, an event loop that stands still, a partition that does though brokers
answer. Not ready is all that keeps payments waiting, a broker that is away among it.

The questions come from the thread of the HTTP server, what is known comes from the event loop: sets are replaced, never
changed, so that a reader sees one or the other.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prometheus_client import Gauge

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import ProcessMetrics

SILENCE_MAX_S = 60.0  # a batch takes milliseconds, compiling the kernel on a cold start some seconds: this is stuck
BROKER_SILENCE_MAX_S = 5.0  # they are asked every two seconds, and have three to answer
STANDSTILL_UNREADY_S = 30.0
STANDSTILL_UNHEALTHY_S = 120.0


class Recovering(NamedTuple):
    partitions: int
    of: int
    share: float


class ProcessTelemetry:
    """Start `watchdog` in the event loop, and serve `healthy` and `ready` (http.py)."""

    def __init__(
        self,
        metrics: ProcessMetrics,
        by_partition: Sequence[Gauge],
        watchdog: EventLoopWatchdog,
        by: tuple[str, ...] = (),
    ) -> None:
        self.watchdog, self._by = watchdog, by
        self._process = metrics
        self._by_partition = (*by_partition, metrics.lag, metrics.standstill)
        self._failure: str | None = None
        self._assigned: frozenset[int] | None = None
        self._sharing = False  # the group shares its partitions out anew
        self._recovered: frozenset[int] = frozenset()
        self._recovering: Recovering | None = None
        self._answered_at = time.monotonic()
        self._silent = False
        self._moved_at: Mapping[int, float] = {}  # when each partition that waits was last seen to move, or not to wait
        self._own(metrics.broker_silence).set_function(self._broker_silence_s)
        self._own(metrics.recovered_ratio).set(1.0)

    def healthy(self) -> str | None:
        """None, or why the process should be started again."""
        if self._failure:
            return self._failure
        stalled_s = self.watchdog.stalled_s()
        if stalled_s > SILENCE_MAX_S:
            return f"the event loop has stood still for {stalled_s:.0f} s"
        return self._standstill(STANDSTILL_UNHEALTHY_S)

    def ready(self) -> str | None:
        """None, or why nothing is handled here at the moment. A process that was given no partition is ready."""
        if fault := self.healthy():
            return fault
        stalled_s = self._broker_silence_s()
        if stalled_s > BROKER_SILENCE_MAX_S or (self._silent and self._assigned is None):
            return f"no broker has answered for {stalled_s:.0f} s"
        if self._assigned is None:
            return "waiting for partitions"
        if self._sharing:
            return "waiting for partitions: the group shares them out anew"
        if missing := self._assigned - self._recovered:
            partitions, of, share = self._recovering or Recovering(len(missing), len(self._assigned), 0.0)
            return f"recovering {partitions or len(missing)} of {of} partitions, {int(share * 100)} %"
        return self._standstill(STANDSTILL_UNREADY_S)

    def on_failure(self, sentence: str) -> None:
        self._failure = sentence

    def on_brokers(self, *, answer: bool) -> None:
        if answer:
            if self._silent:
                self._begin_to_move()
            self._answered_at = time.monotonic()
        self._silent = not answer

    def on_revoked(self) -> None:
        self._sharing = True

    def on_assigned(self, partitions: Sequence[int]) -> None:
        for partition in (self._assigned or frozenset()).difference(partitions):
            for gauge in self._by_partition:
                gauge.remove(*self._by, str(partition))  # its next owner tells
        self._moved_at = {}
        self._sharing = False
        self._assigned = frozenset(partitions)
        self._recovering = None
        self._mark_recovered(self._recovered & self._assigned)

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        self._recovering = Recovering(partitions, of, share)
        self._own(self._process.recovered_ratio).set(share)

    def on_lag(self, partition: int, *, lag: int) -> None:
        self._process.lag.labels(*self._by, partition).set(lag)
        moved_at = time.monotonic() if lag == 0 else self._moved_at.get(partition, time.monotonic())
        self._mark_moved(partition, moved_at)

    def _own(self, gauge: Gauge) -> Gauge:
        return gauge.labels(*self._by) if self._by else gauge

    def _forget_lag(self, partition: int) -> None:
        """What comes into it is no longer ours to handle."""
        self._moved_at = {number: at for number, at in self._moved_at.items() if number != partition}
        for gauge in (self._process.lag, self._process.standstill):
            gauge.remove(*self._by, str(partition))

    def _mark_moved(self, partition: int, at: float) -> None:
        if partition not in self._moved_at:
            self._process.standstill.labels(*self._by, partition).set_function(
                lambda: 0.0 if self._held_up() else time.monotonic() - self._moved_at.get(partition, time.monotonic())
            )
        self._moved_at = {**self._moved_at, partition: at}

    def _begin_to_move(self) -> None:
        """What stood still had a reason, which is gone."""
        self._moved_at = dict.fromkeys(self._moved_at, time.monotonic())

    def _held_up(self) -> bool:
        """Whether it is known why partitions stand still."""
        return self._silent or self._sharing or bool((self._assigned or frozenset()) - self._recovered)

    def _standstill(self, limit_s: float) -> str | None:
        if self._held_up():
            return None
        now = time.monotonic()
        for partition, moved_at in sorted(self._moved_at.items()):
            if now - moved_at > limit_s:
                return f"partition {partition} has stood still for {now - moved_at:.0f} s, while records wait in it"
        return None

    def _broker_silence_s(self) -> float:
        return time.monotonic() - self._answered_at if self._silent else 0.0

    def _observe_recovery(self, partition: int, seconds: float) -> None:
        self._process.recovery_seconds.labels(*self._by).observe(seconds)
        self._mark_recovered(self._recovered | {partition})

    def _mark_recovered(self, recovered: frozenset[int]) -> None:
        self._recovered = recovered
        assigned = self._assigned or frozenset()
        self._own(self._process.assigned).set(len(assigned))
        self._own(self._process.recovering).set(len(assigned - recovered))
        if not assigned - recovered:
            self._own(self._process.recovered_ratio).set(1.0)
            self._begin_to_move()
