"""Metrics of the spans that a process records."""

from __future__ import annotations

from typing import Final

from fraudstream.telemetry.metrics import Definitions

FULL: Final = "full"
FAILED: Final = "failed"


class SpanMetrics:
    """Counters of exported and lost spans; they stay at 0 while traces are off."""

    def __init__(self, define: Definitions) -> None:
        self.exported = define.counter("spans_exported", "Spans that the OpenTelemetry collector has taken.")
        self.lost = define.counter(
            "spans_lost",
            "Spans that were not exported. full: too many waited; failed: the collector did not take them.",
            "reason",
        )
        for reason in (FULL, FAILED):
            self.lost.labels(reason)
