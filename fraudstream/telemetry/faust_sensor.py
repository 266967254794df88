"""What Faust tells of itself: rebalances."""

import time
from collections.abc import Iterable

import faust
from faust.types import AppT
from mode.types import ServiceT

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import WorkerMetrics


class FaustSensor(faust.Sensor):
    """Add it to the app's sensors: it runs beside the app, and `watchdog` with it."""

    mundane_level = "debug"

    def __init__(self, metrics: WorkerMetrics, watchdog: EventLoopWatchdog) -> None:
        super().__init__()
        self._metrics = metrics
        self._pulse = watchdog

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        return [self._pulse]

    def on_rebalance_start(self, app: AppT) -> dict[str, float]:
        self._metrics.rebalances.inc()
        return {"started_at": time.monotonic()}

    def on_rebalance_end(self, app: AppT, state: dict[str, float]) -> None:
        self._metrics.rebalance_seconds.observe(time.monotonic() - state["started_at"])
