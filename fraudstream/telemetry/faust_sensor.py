"""Faust's own events as metrics: rebalances."""

import time
from collections.abc import Iterable

import faust
from faust.types import AppT
from mode.types import ServiceT

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import WorkerMetrics


class FaustSensor(faust.Sensor):
    """Add it to the app's sensors: it runs with the app, and so does `watchdog`."""

    mundane_level = "debug"

    def __init__(self, metrics: WorkerMetrics, watchdog: EventLoopWatchdog) -> None:
        super().__init__()
        self._metrics = metrics
        self._watchdog = watchdog

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        """Services that start with this one."""
        return [self._watchdog]

    def on_rebalance_start(self, app: AppT) -> dict[str, float]:
        """A rebalance began; the result is passed to `on_rebalance_end`."""
        self._metrics.rebalances.inc()
        return {"started_at": time.monotonic()}

    def on_rebalance_end(self, app: AppT, state: dict[str, float]) -> None:
        """The rebalance ended, recovery included."""
        self._metrics.rebalance_seconds.observe(time.monotonic() - state["started_at"])
