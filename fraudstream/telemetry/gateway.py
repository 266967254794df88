"""Metrics and health of a gateway."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, ProcessCollector

from fraudstream.telemetry.metrics import LATENCY_BOUNDS_S, Definitions, build_info
from fraudstream.telemetry.span_metrics import SpanMetrics

OUTAGE_MAX_S = 5.0


class GatewayMetrics:
    """The metrics of a gateway."""

    def __init__(self, define: Definitions) -> None:
        self.build = build_info(define.registry)
        self.requests = define.counter("gateway_requests", "Requests answered, by HTTP status.", "status")
        self.answers = define.counter(
            "gateway_answers", "Payments answered, by outcome; timeout: no decision in time.", "outcome"
        )
        for outcome in ("allow", "review", "block", "refused", "timeout"):
            self.answers.labels(outcome)
        self.seconds = define.histogram(
            "gateway_answer_seconds", "From a payment's arrival at the gateway to its answer.", LATENCY_BOUNDS_S
        )
        self.turned_away = define.counter(
            "gateway_turned_away",
            "Requests that were not taken: rate of the client, load of the gateway.",
            "client",
            "reason",
        )
        self.late = define.counter("gateway_late_replies", "Decisions that came after their deadline.")
        self.in_flight = define.gauge("gateway_in_flight_payments", "Payments whose callers wait.")
        self.outage = define.gauge("broker_outage_seconds", "Time since a broker last answered; 0 while they answer.")


class GatewayTelemetry:
    """The observer of a gateway. `registry`: for the metrics. `version`: of fraudstream."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self.metrics = GatewayMetrics(Definitions(registry))
        self.spans = SpanMetrics(Definitions(registry))
        self.metrics.build.info({"version": version, "python": platform.python_version()})
        self.metrics.outage.set_function(self.outage_s)
        # Of each request: looking a label up costs more than counting.
        self._requests = cache(self.metrics.requests.labels)
        self._answers = cache(self.metrics.answers.labels)
        self._seconds = self.metrics.seconds.labels()
        self._silent_since_s: float | None = None
        self._unready: Callable[[], str | None] = lambda: "the gateway starts"

    def measure(self, *, in_flight: Callable[[], int], unready: Callable[[], str | None]) -> None:
        """See `gateway.server.Observer`."""
        self.metrics.in_flight.set_function(in_flight)
        self._unready = unready

    def healthy(self) -> str | None:
        """None: a gateway that has failed has ended."""
        return None

    def ready(self) -> str | None:
        """None, or why payments are not decided at the moment."""
        if self.outage_s() > OUTAGE_MAX_S:
            return f"no broker has answered for {self.outage_s():.0f} s"
        return self._unready()

    def notes(self) -> str | None:
        """None: there is nothing else to say."""
        return None

    def on_request(self, status: int) -> None:
        """A request was answered."""
        self._requests(status).inc()

    def on_turned_away(self, client: str, reason: str) -> None:
        """A request was not taken."""
        self.metrics.turned_away.labels(client, reason).inc()

    def on_answer(self, outcome: str, seconds: float, trace_id: str | None = None) -> None:
        """A payment was answered."""
        self._answers(outcome).inc()
        if trace_id is None:
            self._seconds.observe_one(seconds)
        else:
            self._seconds.observe([seconds], {0: trace_id})

    def on_late_reply(self) -> None:
        """A decision came after its deadline."""
        self.metrics.late.inc()

    def on_brokers(self, *, answer: bool) -> None:
        """Whether the brokers answer."""
        if answer:
            self._silent_since_s = None
        elif self._silent_since_s is None:
            self._silent_since_s = time.monotonic()

    def outage_s(self) -> float:
        """For how long no broker has answered, seconds; 0 while they answer."""
        return 0.0 if self._silent_since_s is None else time.monotonic() - self._silent_since_s
