"""Injects the faults of a schedule, each when its share of the load is published, and records when it took effect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from redis.asyncio import Redis

from benchmarks.chaos.fault_points import ASSIGNMENT_POINTS, Orders
from benchmarks.chaos.processes import Process
from benchmarks.chaos.schedule import Fault
from benchmarks.chaos.servers import KafkaCluster, RedisServer

DEATH_S_MAX: Final = 15.0  # until a worker reaches the point at which it must die
POLL_S: Final = 0.05
REDIS_FULL_S: Final = 3.0


class InjectedFault(NamedTuple):
    """A fault that was injected. `at_s`: when it took effect, by `time.time()`.

    `reached`: whether its point was reached; True for other kinds.
    """

    fault: Fault
    at_s: float
    reached: bool = True


class FaultRunner:
    """Injects faults. `workers`: all that may run; the first `running` of them do.

    `share()`: share of the load published so far.
    """

    def __init__(
        self,
        workers: Sequence[Process],
        running: int,
        cases: Process,
        brokers: KafkaCluster | None,
        redis: RedisServer,
        share: Callable[[], float],
    ) -> None:
        self._workers, self._running, self._cases = workers, running, cases
        self._brokers, self._redis, self._share = brokers, redis, share
        self.injected: list[InjectedFault] = []

    async def run(self, faults: Sequence[Fault]) -> None:
        """Inject all faults in order. Afterwards all processes run with correct clocks."""
        for fault in faults:
            while self._share() < fault.share:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            began = time.time()
            at_s, reached = await self._inject(fault)
            self.injected.append(InjectedFault(fault, at_s or began, reached))
        for process in (*self._workers, self._cases):
            process.order(Orders())

    async def _inject(self, fault: Fault) -> tuple[float | None, bool]:
        """When it took effect (None: at once), and whether its point was reached."""
        worker = self._workers[fault.target % self._running]
        match fault.kind:
            case "kill":
                worker.kill()
            case "kill at point":
                return await self._die_at(worker, fault)
            case "pause":
                worker.pause()
                await asyncio.sleep(fault.seconds)
                worker.resume()
            case "stop":
                await worker.stop()
                worker.start()
            case "scale":
                await self._scale(fault.workers)
            case "clock":
                worker.order(Orders(clock_s=fault.seconds))
            case "cases kill":
                self._cases.kill()
            case "cases kill at point":
                return await self._die_at(self._cases, fault)
            case "broker stop" | "broker kill" | "broker slow":
                assert self._brokers is not None, "the schedule asks for brokers that may be stopped"
                number = self._brokers.numbers[fault.target % len(self._brokers.numbers)]
                end, start = {
                    "broker stop": (self._brokers.stop, self._brokers.start),
                    "broker kill": (self._brokers.kill, self._brokers.start),
                    "broker slow": (self._brokers.pause, self._brokers.resume),
                }[fault.kind]
                await asyncio.to_thread(end, number)
                await asyncio.sleep(fault.seconds)
                await asyncio.to_thread(start, number)
            case "redis away":
                self._redis.end()
                await asyncio.sleep(fault.seconds)
                self._redis.start()
            case "redis full":
                await self._fill_redis(fault.seconds)
            case "redis flushed":
                async with Redis.from_url(self._redis.url) as redis:
                    await redis.flushall()
        return None, True

    async def _die_at(self, process: Process, fault: Fault) -> tuple[float | None, bool]:
        """Order a process to die at a point. Assignment points are reached at start, so the process is killed first."""
        count = len(process.exits)
        process.order(Orders(fault.point, fault.nth))
        if fault.point in ASSIGNMENT_POINTS:
            process.kill()
            count += 1
        limit = time.monotonic() + DEATH_S_MAX
        while len(process.exits) <= count:
            if time.monotonic() > limit:
                process.order(Orders())
                return None, False
            await asyncio.sleep(POLL_S)
        return process.exits[-1].at_s, True

    async def _scale(self, workers: int) -> None:
        before, self._running = self._running, workers
        for worker in self._workers[before:workers]:
            worker.start()
        await asyncio.gather(*(worker.stop() for worker in self._workers[workers:before]))

    async def _fill_redis(self, seconds: float) -> None:
        async with Redis.from_url(self._redis.url) as redis:
            await redis.config_set("maxmemory-policy", "noeviction")
            await redis.config_set("maxmemory", "1mb")  # less than it already stores
            await asyncio.sleep(seconds)
            await redis.config_set("maxmemory", "0")
