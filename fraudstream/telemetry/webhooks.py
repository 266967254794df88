"""Metrics and health of the process that sends webhooks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.metrics import DURATION_BOUNDS_S, Definitions, describe_process

OUTAGE_MAX_S = 5.0


class WebhookTelemetry:
    """The observer of all endpoints. `registry`: for the metrics. `version`: of fraudstream. `endpoints`: their names;
    each counter exists at 0 from the start."""

    def __init__(self, registry: CollectorRegistry, *, version: str, endpoints: Sequence[str] = ()) -> None:
        self.registry = registry
        define = Definitions(registry)
        describe_process(registry, version)
        self._delivered = define.counter("webhooks_delivered", "Events that were delivered.", "endpoint", "event")
        self._failed = define.counter("webhooks_failed_attempts", "Attempts that have failed.", "endpoint")
        self._undelivered = define.counter("webhooks_undelivered", "Events that became dead letters.", "endpoint")
        self._pending = define.gauge("webhooks_pending", "Events that are being delivered.", "endpoint")
        self._oldest = define.gauge("webhooks_oldest_seconds", "Age of the oldest event that is pending.", "endpoint")
        self._lag = define.gauge("webhooks_lag_records", "Records that are not finished yet.", "endpoint")
        self._gone = define.gauge("webhooks_gone", "1 once the endpoint has answered 410.", "endpoint")
        self._seconds = define.histogram(
            "webhooks_attempt_seconds", "Time of an attempt.", DURATION_BOUNDS_S, "endpoint"
        )
        self._outage = define.gauge("broker_outage_seconds", "Time since a broker last answered; 0 while they answer.")
        self._outage.set_function(self._outage_s)
        self._silent: dict[str, float] = {}  # by endpoint: since when no broker answers
        self._begun: set[str] = set()
        self._endpoints = tuple(endpoints)
        for endpoint in endpoints:
            for metric in (self._failed, self._undelivered, self._pending, self._oldest, self._lag, self._gone):
                metric.labels(endpoint)

    def healthy(self) -> str | None:
        """None: a process that has failed has ended."""
        return None

    def ready(self) -> str | None:
        """None, or why events are not read at the moment."""
        if self._outage_s() > OUTAGE_MAX_S:
            return f"no broker has answered for {self._outage_s():.0f} s"
        missing = sorted(set(self._endpoints) - self._begun)
        return f"the topics are not read yet for {', '.join(missing)}" if missing else None

    def notes(self) -> str | None:
        """None: there is nothing else to say."""
        return None

    def on_delivered(self, endpoint: str, *, kind: str, seconds: float) -> None:
        """An event was delivered."""
        self._delivered.labels(endpoint, kind).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def on_failed(self, endpoint: str, *, seconds: float) -> None:
        """An attempt failed."""
        self._failed.labels(endpoint).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def on_undelivered(self, endpoint: str) -> None:
        """An event was given up."""
        self._undelivered.labels(endpoint).inc()

    def on_pending(self, endpoint: str, *, events: int, oldest_ms: int) -> None:
        """Events that are being delivered."""
        self._pending.labels(endpoint).set(events)
        self._oldest.labels(endpoint).set(oldest_ms / 1000)

    def on_lag(self, endpoint: str, *, records: int) -> None:
        """Records that are not finished."""
        self._lag.labels(endpoint).set(records)

    def on_gone(self, endpoint: str) -> None:
        """The endpoint wants no more webhooks."""
        self._gone.labels(endpoint).set(1)

    def on_brokers(self, endpoint: str, *, answer: bool) -> None:
        """Whether the brokers answer."""
        if answer:
            self._begun.add(endpoint)
            self._silent.pop(endpoint, None)
        else:
            self._silent.setdefault(endpoint, time.monotonic())

    def _outage_s(self) -> float:
        silent = min(list(self._silent.values()), default=None)
        return 0.0 if silent is None else time.monotonic() - silent
