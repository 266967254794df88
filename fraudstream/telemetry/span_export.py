"""Exports spans in a thread of its own: `on_end` never waits, and what finds no room is counted as lost.

The SDK's own `BatchSpanProcessor` drops spans without a count that an operator can see.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from fraudstream.telemetry.span_metrics import FAILED, FULL, SpanMetrics

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

QUEUE_MAX: Final = 8_192  # spans that wait: some seconds of a busy process, below 20 MB
BATCH_MAX: Final = 512
INTERVAL_S: Final = 1.0
STOP_S_MAX: Final = 3.0  # a process must not end later because a collector does not answer


class SpanExport(SpanProcessor):
    """Exports ended spans, `BATCH_MAX` at a time, at the latest after `INTERVAL_S`."""

    def __init__(
        self,
        exporter: SpanExporter,
        metrics: SpanMetrics,
        *,
        queue_max: int = QUEUE_MAX,
        interval_s: float = INTERVAL_S,
        stop_s_max: float = STOP_S_MAX,
    ) -> None:
        self._exporter, self._metrics = exporter, metrics
        self._queue_max, self._interval_s, self._stop_s_max = queue_max, interval_s, stop_s_max
        self._waiting: deque[ReadableSpan] = deque()
        self._wake, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="span-export", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is kept of a span before it ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Export the span later."""
        if self._stopping or len(self._waiting) >= self._queue_max:
            self._metrics.lost.labels(FULL).inc()
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH_MAX:
            self._wake.set()

    def shutdown(self) -> None:
        """Export what waits, for `stop_s_max` at the longest."""
        if self._stopping:
            return
        self._stopping = True
        self._wake.set()
        self._thread.join(self._stop_s_max)
        threading.Thread(target=self._exporter.shutdown, daemon=True).start()  # it may wait for an export in progress

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until nothing waits; returns whether that is so."""
        deadline_s = time.monotonic() + timeout_millis / 1000
        while self._waiting and time.monotonic() < deadline_s:
            self._wake.set()
            time.sleep(0.01)
        return not self._waiting

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            while self._waiting:
                self._export([self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))])
        if self._waiting:
            self._export(list(self._waiting))

    def _export(self, spans: list[ReadableSpan]) -> None:
        try:
            result = self._exporter.export(spans)
        except Exception:  # an exporter's own mistake must not end the thread
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._metrics.exported.inc(len(spans))
        else:
            self._metrics.lost.labels(FAILED).inc(len(spans))
