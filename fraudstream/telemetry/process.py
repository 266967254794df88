"""Health and readiness of a process, from the events that its observer receives.

A process is unhealthy if a restart can help: after a failure, with a blocked event loop, or with a partition that does
not advance although brokers answer. It is not ready whenever payments wait, also during an outage of the brokers, or
for an open transaction of a publisher.

`healthy` and `ready` are called in the thread of the HTTP server, all other methods in the event loop: collections are
replaced, never lengthened or shortened, so that a reader may go through the one it sees.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from prometheus_client import Gauge

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import ProcessMetrics

BLOCKED_MAX_S = 60.0  # a batch takes milliseconds, compiling the kernel at a cold start some seconds
OUTAGE_MAX_S = 5.0  # brokers are polled every two seconds and have three to answer
STALLED_UNREADY_S = 30.0
STALLED_UNHEALTHY_S = 120.0


class Recovering(NamedTuple):
    """Progress of a recovery: partitions left, of how many, and the share of all that is done, 0 to 1."""

    partitions: int
    of: int
    share: float


class OpenTransaction(Protocol):
    """An open transaction of a publisher, for which a partition waits. As text, a sentence that says so."""

    @property
    def records(self) -> int:
        """How many records are not stable."""

    @property
    def since_s(self) -> float:
        """Since when, as `time.monotonic`."""


class ProcessTelemetry:
    """Start `watchdog` in the event loop, and serve `healthy` and `ready` (see `http`).

    `metrics`: of the process. `by_partition`: gauges with a label `partition`, removed when it is revoked. `by`: values
    of the labels for the part of the process, see `ProcessMetrics`. The `on_` methods are those of the observers.
    """

    def __init__(
        self,
        metrics: ProcessMetrics,
        by_partition: Sequence[Gauge],
        watchdog: EventLoopWatchdog,
        by: tuple[str, ...] = (),
    ) -> None:
        self.watchdog, self._by = watchdog, by
        self._process = metrics
        self._by_partition = (*by_partition, metrics.lag, metrics.stalled, metrics.unstable, metrics.open_transaction)
        self._failure: str | None = None
        self._assigned: frozenset[int] | None = None
        self._rebalancing = False
        self._recovered: frozenset[int] = frozenset()
        self._recovering: Recovering | None = None
        self._answered_at_s = time.monotonic()
        self._outage = False
        self._transactions: Mapping[int, OpenTransaction] = {}
        self._moved_at: dict[int, float] = {}  # by partition: when it last advanced, or had no records waiting
        self._own(metrics.broker_outage).set_function(self._outage_s)
        self._own(metrics.recovered_ratio).set(1.0)

    def healthy(self) -> str | None:
        """None, or why the process should be restarted."""
        if self._failure:
            return self._failure
        stalled_s = self.watchdog.stalled_s()
        if stalled_s > BLOCKED_MAX_S:
            return f"the event loop has been blocked for {stalled_s:.0f} s"
        return self._stalled(STALLED_UNHEALTHY_S)

    def ready(self) -> str | None:
        """None, or why no records are handled at the moment. A process without partitions, after a rebalance, is
        ready."""
        if fault := self.healthy():
            return fault
        outage_s = self._outage_s()
        if outage_s > OUTAGE_MAX_S or (self._outage and self._assigned is None):
            return f"no broker has answered for {outage_s:.0f} s"
        if self._assigned is None:
            return "waiting for partitions"
        if self._rebalancing:
            return "waiting for partitions: the group is rebalancing"
        if missing := self._assigned - self._recovered:
            partitions, of, share = self._recovering or Recovering(len(missing), len(self._assigned), 0.0)
            return f"recovering {partitions or len(missing)} of {of} partitions, {int(share * 100)} %"
        return self._stalled(STALLED_UNREADY_S) or self._open_transaction()

    def notes(self) -> str | None:
        """What an operator should know about a process that is ready; None if nothing."""
        return None

    def on_failure(self, sentence: str) -> None:
        """The process is about to end with a non-zero exit code."""
        self._failure = sentence

    def on_brokers(self, *, answer: bool) -> None:
        """Whether a broker answered."""
        if answer:
            if self._outage:
                self._restart_clocks()
            self._answered_at_s = time.monotonic()
        self._outage = not answer

    def on_revoked(self) -> None:
        """A rebalance began."""
        self._rebalancing = True

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """All partitions that are assigned now."""
        for partition in (self._assigned or frozenset()).difference(partitions):
            for gauge in self._by_partition:
                gauge.remove(*self._by, str(partition))  # its next owner reports it
        self._moved_at = {}
        self._rebalancing = False
        self._assigned = frozenset(partitions)
        self._recovering = None
        self._mark_recovered(self._recovered & self._assigned)

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """Progress of the recovery, see `Recovering`."""
        self._recovering = Recovering(partitions, of, share)
        self._own(self._process.recovered_ratio).set(share)

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Number of records waiting in the partition."""
        self._process.lag.labels(*self._by, partition).set(lag)
        moved_at = time.monotonic() if lag == 0 else self._moved_at.get(partition, time.monotonic())
        self._mark_moved(partition, moved_at)

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        """All partitions that wait for an open transaction now. The process is healthy: a restart does not help."""
        for gauge in (self._process.unstable, self._process.open_transaction):
            for partition in self._transactions.keys() - waiting.keys():
                gauge.remove(*self._by, str(partition))
        self._transactions = dict(waiting)
        for partition, transaction in waiting.items():
            self._process.unstable.labels(*self._by, partition).set(transaction.records)
            gauge = self._process.open_transaction.labels(*self._by, partition)
            gauge.set(time.monotonic() - transaction.since_s)

    def _open_transaction(self) -> str | None:
        """A sentence about a transaction that has been open for long, if there is one."""
        now = time.monotonic()
        oldest = min(self._transactions.values(), key=lambda transaction: transaction.since_s, default=None)
        return str(oldest) if oldest is not None and now - oldest.since_s > STALLED_UNREADY_S else None

    def _own(self, gauge: Gauge) -> Gauge:
        return gauge.labels(*self._by) if self._by else gauge

    def _forget_lag(self, partition: int) -> None:
        """Stop reporting the lag of a partition whose records another process handles now."""
        self._moved_at = {number: at for number, at in self._moved_at.items() if number != partition}
        for gauge in (self._process.lag, self._process.stalled):
            gauge.remove(*self._by, str(partition))

    def _mark_moved(self, partition: int, at: float) -> None:
        """The partition advanced, or had no records waiting, at this monotonic time (s)."""
        if partition not in self._moved_at:
            gauge = self._process.stalled.labels(*self._by, partition)
            gauge.set_function(lambda: self._stalled_s(partition))
            self._moved_at = {**self._moved_at, partition: at}
        else:
            self._moved_at[partition] = at

    def _stalled_s(self, partition: int) -> float:
        """Seconds since the partition last advanced while records waited; 0 if that has a known cause."""
        now_s = time.monotonic()
        return 0.0 if self._has_known_cause() else now_s - self._moved_at.get(partition, now_s)

    def _restart_clocks(self) -> None:
        """Measure the stall of all partitions from now on: until now they had a reason not to advance."""
        self._moved_at = dict.fromkeys(self._moved_at, time.monotonic())

    def _has_known_cause(self) -> bool:
        """Whether an outage, a rebalance or a recovery explains that partitions do not advance."""
        return self._outage or self._rebalancing or bool((self._assigned or frozenset()) - self._recovered)

    def _stalled(self, limit_s: float) -> str | None:
        """A sentence about a partition that has not advanced for `limit_s`, if there is one."""
        if self._has_known_cause():
            return None
        now = time.monotonic()
        for partition, moved_at in sorted(self._moved_at.items()):
            if now - moved_at > limit_s:
                return f"partition {partition} has not advanced for {now - moved_at:.0f} s, while records wait in it"
        return None

    def _outage_s(self) -> float:
        return time.monotonic() - self._answered_at_s if self._outage else 0.0

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
            self._restart_clocks()
