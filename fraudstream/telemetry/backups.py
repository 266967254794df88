"""Metrics and health of backups on a schedule."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.metrics import Definitions, describe_process


class BackupTelemetry:
    """The observer of a schedule of backups. `registry`: for the metrics. `version`: of fraudstream."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self.registry = registry
        define = Definitions(registry)
        describe_process(registry, version)
        self._backups = define.counter("backups", "Backups that were tried, by result: whole or failed.", "result")
        self._succeeded_at = define.gauge(
            "backup_success_timestamp_seconds",
            "When the newest whole backup was begun, or this process, if there is none: seconds since the epoch.",
        )
        self._rows = define.gauge("backup_rows", "Rows of the newest backup of this process.")
        self._bytes = define.gauge("backup_bytes", "Bytes of keys and values in it.")
        self._seconds = define.gauge("backup_seconds", "Time that it took, verification included.")
        for result in ("whole", "failed"):
            self._backups.labels(result)

    def healthy(self) -> str | None:
        """None: a failed backup is tried again, which a restart does not help."""
        return None

    def ready(self) -> str | None:
        """None: it serves nobody."""
        return None

    def notes(self) -> str | None:
        """None: there is nothing else to say."""
        return None

    def on_start(self, *, newest_at_ms: int) -> None:
        """The schedule begins. `newest_at_ms`: when the newest backup was begun, or now; ms since the epoch."""
        self._succeeded_at.set(newest_at_ms / 1000)

    def on_backup(self, *, at_ms: int, rows: int, size: int, seconds: float) -> None:
        """A backup, begun at `at_ms`, is whole and verified."""
        self._backups.labels("whole").inc()
        self._succeeded_at.set(at_ms / 1000)
        self._rows.set(rows)
        self._bytes.set(size)
        self._seconds.set(seconds)

    def on_failed(self) -> None:
        """A backup has failed."""
        self._backups.labels("failed").inc()
