"""Metrics and health of the writer of the history store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.metrics import DURATION_BOUNDS_S, Definitions, describe_process

OUTAGE_MAX_S = 5.0


class HistoryTelemetry:
    """The observer of a follower. `registry`: for the metrics. `version`: of fraudstream. `reasons`: why records are
    left out; each counter exists at 0 from the start."""

    def __init__(self, registry: CollectorRegistry, *, version: str, reasons: Iterable[str] = ()) -> None:
        self.registry = registry
        define = Definitions(registry)
        describe_process(registry, version)
        self._rows = define.counter("history_rows", "Rows that were read from the topics.", "table")
        self._skipped = define.counter("history_skipped_records", "Records that were left out.", "reason")
        self._missing = define.counter("history_missing_records", "Records deleted before they were read.", "topic")
        self._expired = define.counter("history_expired_rows", "Rows that were too old to be kept.")
        self._lag = define.gauge("history_lag_records", "Records that are not read yet.", "topic", "partition")
        self._files = define.gauge("history_files", "Files of the store.", "table")
        self._kept = define.gauge("history_kept_rows", "Rows in the store.", "table")
        self._bytes = define.gauge("history_bytes", "Bytes of the store's files.", "table")
        self._seconds = define.histogram("history_commit_seconds", "Time to change the store.", DURATION_BOUNDS_S)
        self._outage = define.gauge("broker_outage_seconds", "Time since a broker last answered; 0 while they answer.")
        self._outage.set_function(self._outage_s)
        for reason in reasons:
            self._skipped.labels(reason)
        self._silent_since_s: float | None = None
        self._has_begun = False

    def healthy(self) -> str | None:
        """None: a writer that has failed has ended."""
        return None

    def ready(self) -> str | None:
        """None, or why records are not read at the moment."""
        if self._outage_s() > OUTAGE_MAX_S:
            return f"no broker has answered for {self._outage_s():.0f} s"
        return None if self._has_begun else "the topics are not read yet"

    def notes(self) -> str | None:
        """None: there is nothing else to say."""
        return None

    def on_records(self, topic: str, *, rows: Mapping[str, int], skipped: Mapping[str, int]) -> None:
        """Records were read."""
        for table, count in rows.items():
            self._rows.labels(table).inc(count)
        for reason, count in skipped.items():
            self._skipped.labels(reason).inc(count)

    def on_lag(self, topic: str, partition: int, *, lag: int) -> None:
        """How many records of a partition are not read yet."""
        self._lag.labels(topic, partition).set(lag)

    def on_missing(self, topic: str, *, records: int) -> None:
        """Records were deleted from the topic before they were read."""
        self._missing.labels(topic).inc(records)

    def on_commit(self, sizes: Mapping[str, tuple[int, int, int]], *, seconds: float, expired: int) -> None:
        """The store has changed. `sizes`: files, rows and bytes of each table."""
        self._seconds.observe(seconds)
        self._expired.inc(expired)
        for table, (files, rows, size) in sizes.items():
            self._files.labels(table).set(files)
            self._kept.labels(table).set(rows)
            self._bytes.labels(table).set(size)

    def on_brokers(self, *, answer: bool) -> None:
        """Whether the brokers answer."""
        self._has_begun = self._has_begun or answer
        if answer:
            self._silent_since_s = None
        elif self._silent_since_s is None:
            self._silent_since_s = time.monotonic()

    def _outage_s(self) -> float:
        return 0.0 if self._silent_since_s is None else time.monotonic() - self._silent_since_s
