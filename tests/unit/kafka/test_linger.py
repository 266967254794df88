"""When the next batch may begin, on a clock of the test."""

from __future__ import annotations

from fraudstream.kafka.linger import Linger


class Clock:
    """`slept`: for how long, each time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now_s += seconds


async def test_a_batch_after_a_quiet_time_does_not_wait() -> None:
    clock = Clock()
    linger = Linger(0.005, lambda: clock.now_s, clock.sleep)
    for _ in range(3):
        await linger.wait()
        linger.begin()
        clock.now_s += 0.006
    assert clock.slept == []


async def test_a_batch_begins_no_sooner_than_the_interval_after_the_one_before() -> None:
    clock = Clock()
    linger = Linger(0.005, lambda: clock.now_s, clock.sleep)
    begun = []
    for took_s in (0.0, 0.002, 0.0):
        await linger.wait()
        linger.begin()
        begun.append(round(clock.now_s, 3))
        clock.now_s += took_s
    assert begun == [100.0, 100.005, 100.01]
    assert clock.slept == [0.005, 0.003]
