"""What every process of ours answers: is it healthy (else start it again), is it ready (else do not count on it)?

The questions come from the thread of the HTTP server, what is known comes from the event loop: sets are replaced, never
changed, so that a reader sees one or the other.
"""

from collections.abc import Sequence

from prometheus_client import Gauge

from fraudstream.telemetry.metrics import ProcessMetrics
from fraudstream.telemetry.pulse import Pulse

SILENCE_MAX_S = 60.0  # a batch takes milliseconds, compiling the kernel on a cold start some seconds: this is stuck


class ProcessTelemetry:
    """Start `pulse` in the event loop, and serve `healthy` and `ready` (http.py)."""

    def __init__(self, metrics: ProcessMetrics, by_partition: Sequence[Gauge]) -> None:
        self.pulse = Pulse()
        self._process = metrics
        self._by_partition = by_partition
        self._failure: str | None = None
        self._assigned: frozenset[int] | None = None
        self._recovered: frozenset[int] = frozenset()

    def healthy(self) -> str | None:
        """None, or why the process should be started again."""
        if self._failure:
            return self._failure
        silence_s = self.pulse.silence_s()
        return f"the event loop has stood still for {silence_s:.0f} s" if silence_s > SILENCE_MAX_S else None

    def ready(self) -> str | None:
        """None, or why nothing is handled here at the moment. A process that was given no partition is ready."""
        if self._assigned is None:
            return "waiting for partitions"
        if missing := sorted(self._assigned - self._recovered):
            return f"restoring the memory of partitions {', '.join(map(str, missing))}"
        return self.healthy()

    def on_failure(self, sentence: str) -> None:
        self._failure = sentence

    def on_assigned(self, partitions: Sequence[int]) -> None:
        for partition in (self._assigned or frozenset()).difference(partitions):
            for gauge in self._by_partition:
                gauge.remove(str(partition))  # its next owner tells
        self._assigned = frozenset(partitions)
        self._mark_recovered(self._recovered & self._assigned)

    def _observe_recovery(self, partition: int, seconds: float) -> None:
        self._process.recovery_seconds.observe(seconds)
        self._mark_recovered(self._recovered | {partition})

    def _mark_recovered(self, recovered: frozenset[int]) -> None:
        self._recovered = recovered
        assigned = self._assigned or frozenset()
        self._process.assigned.set(len(assigned))
        self._process.recovering.set(len(assigned - recovered))
