"""Faust's rebalances, reported to the worker's observer."""

from __future__ import annotations

import time

import faust
from faust.types import AppT

from fraudstream.stream.observer import Observer


class RebalanceSensor(faust.Sensor):
    """Added to an app's sensors, it reports when a rebalance begins and how long it took."""

    mundane_level = "debug"  # its start and stop are not logged

    def __init__(self, observer: Observer) -> None:
        """`observer`: of the worker."""
        super().__init__()
        self._observer = observer

    def on_rebalance_start(self, app: AppT) -> dict[str, float]:
        """A rebalance of the app's group began."""
        self._observer.on_rebalance_started()
        return {"started_at": time.monotonic()}

    def on_rebalance_end(self, app: AppT, state: dict[str, float]) -> None:
        """It ended. `state`: what `on_rebalance_start` returned."""
        self._observer.on_rebalance_ended(seconds=time.monotonic() - state["started_at"])
