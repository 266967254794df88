"""Metrics and health of a bridge."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.metrics import DURATION_BOUNDS_S, Definitions, describe_process
from fraudstream.telemetry.span_metrics import SpanMetrics


class BridgeTelemetry:
    """The observer of a bridge. `registry`: for the metrics. `version`: of fraudstream. `reasons`: why messages are
    refused; each counter exists at 0 from the start."""

    def __init__(self, registry: CollectorRegistry, *, version: str, reasons: Iterable[str] = ()) -> None:
        self.registry = registry
        define = Definitions(registry)
        self.spans = SpanMetrics(define)
        describe_process(registry, version)
        self._messages = define.counter("bridge_messages", "Messages that are done.", "partition")
        self._payments = define.counter("bridge_payments", "Payments published from messages.", "partition")
        self._excluded = define.counter("bridge_excluded_transactions", "Transactions that the mapping leaves out.")
        self._refused = define.counter("bridge_refused_messages", "Messages with a dead letter.", "reason")
        self._missing = define.counter(
            "bridge_missing_messages", "Messages deleted before they were read.", "partition"
        )
        self._lag = define.gauge("bridge_lag_messages", "Messages that are not done yet.", "partition")
        self._assigned = define.gauge("bridge_partitions", "Partitions that this bridge reads.")
        self._newest = define.gauge("bridge_last_step_seconds", "Time of the last step, seconds since the epoch.")
        self._seconds = define.histogram("bridge_step_seconds", "Time to convert and write a batch.", DURATION_BOUNDS_S)
        for reason in reasons:
            self._refused.labels(reason)
        self._has_joined = False

    def healthy(self) -> str | None:
        """None: a bridge that has failed has ended."""
        return None

    def ready(self) -> str | None:
        """None, or why messages are not read at the moment."""
        return None if self._has_joined else "the group has not assigned partitions yet"

    def notes(self) -> str | None:
        """None: there is nothing else to say."""
        return None

    def on_assigned(self, partitions: int) -> None:
        """The bridge reads this many partitions now."""
        self._has_joined = True
        self._assigned.set(partitions)

    def on_step(
        self,
        partition: int,
        *,
        messages: int,
        payments: int,
        excluded: int,
        refused: Mapping[str, int],
        seconds: float,
    ) -> None:
        """Messages of a partition are done."""
        self._messages.labels(partition).inc(messages)
        self._payments.labels(partition).inc(payments)
        self._excluded.inc(excluded)
        for reason, count in refused.items():
            self._refused.labels(reason).inc(count)
        self._seconds.observe(seconds)
        self._newest.set(time.time())

    def on_lag(self, partition: int, *, lag: int) -> None:
        """How many messages of a partition are not done yet."""
        self._lag.labels(partition).set(lag)

    def on_missing(self, partition: int, *, messages: int) -> None:
        """Messages were deleted from the topic before they were read."""
        self._missing.labels(partition).inc(messages)
