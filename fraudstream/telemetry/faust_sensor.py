"""What Faust tells of itself: rebalances, records it could not send, and that its event loop still turns."""

import time
from typing import Any

import faust
from faust.types import AppT
from faust.types.transports import ProducerT
from mode import Service

from fraudstream.telemetry.metrics import ProcessMetrics

BEAT_S = 1.0


class FaustSensor(faust.Sensor):
    """Add it to the app's sensors. It runs as a service beside the app and beats as long as the loop turns."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        super().__init__()
        self._metrics = metrics
        self._beaten_at: float | None = None

    def silence_s(self) -> float:
        """Seconds since the event loop last turned; 0 before it started. May be called from any thread."""
        return time.monotonic() - self._beaten_at if self._beaten_at is not None else 0.0

    @Service.task
    async def _beat(self) -> None:
        while not self.should_stop:
            self._beaten_at = time.monotonic()
            await self.sleep(BEAT_S)

    async def on_stop(self) -> None:
        self._beaten_at = None

    def on_rebalance_start(self, app: AppT) -> dict[str, float]:
        self._metrics.rebalances.inc()
        return {"started_at": time.monotonic()}

    def on_rebalance_end(self, app: AppT, state: dict[str, float]) -> None:
        self._metrics.rebalance_seconds.observe(time.monotonic() - state["started_at"])

    def on_send_error(self, producer: ProducerT, exc: BaseException, state: Any) -> None:
        self._metrics.send_errors.inc()
