"""Faust's own sensor calls reach the observer."""

from __future__ import annotations

import faust

from fraudstream.stream.faust.rebalance_sensor import RebalanceSensor
from fraudstream.stream.observer import Unobserved


class Rebalances(Unobserved):
    def __init__(self) -> None:
        self.started, self.seconds = 0, list[float]()

    def on_rebalance_started(self) -> None:
        self.started += 1

    def on_rebalance_ended(self, *, seconds: float) -> None:
        self.seconds.append(seconds)


def test_a_rebalance_is_reported_when_it_begins_and_when_it_ends() -> None:
    observer = Rebalances()
    app = faust.App("rebalances")
    app.sensors.add(RebalanceSensor(observer))
    state = app.sensors.on_rebalance_start(app)
    assert (observer.started, observer.seconds) == (1, [])
    app.sensors.on_rebalance_end(app, state)
    assert observer.started == 1
    assert len(observer.seconds) == 1
    assert observer.seconds[0] >= 0
