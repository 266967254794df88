"""The run of `fraudstream up`: what starts when, what ends it, and in which order it stops.

    start   kernel (compiles beside all that follows) · broker · Redis · topics · payments, readers, cases · workers
    stop    payments, until all are decided · workers, each with its last checkpoint · cases · readers · Redis · broker

Workers wait for the kernel, so that it is compiled once. The broker keeps the payments that come before them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from fraudstream.board.run_state import RunState
from fraudstream.cli.child import QUICK_DEATHS_MAX, Child, command_of, environment_of
from fraudstream.cli.failure import Failure
from fraudstream.cli.kafka_settings import KafkaSettings
from fraudstream.cli.settings import Settings
from fraudstream.cli.topics import wanted_topics
from fraudstream.cli.up import health_poller
from fraudstream.cli.up.display import TICK_S, Display, draw
from fraudstream.cli.up.feed import FileFeed, GeneratedFeed, TrackedPublisher
from fraudstream.cli.up.in_flight_payments import InFlightPayments
from fraudstream.cli.up.outputs import Outputs
from fraudstream.kafka import Brokers
from fraudstream.stream.topics.apply import apply_topics

PARTITIONS_MIN: Final = 4
COMPILING_S: Final = 3.0  # loading what is compiled takes less
LOOK_S: Final = 0.5
DECIDED_S_MAX: Final = 3.0
WORKERS_S_MAX: Final = 5.0
CASES_S_MAX: Final = 2.0
PUBLISHER_S_MAX: Final = 2.0
CLIENTS_S_MAX: Final = 2.0


class Ask(NamedTuple):
    """What the command line asks for. `seconds`: how long to run after the first decision. `picture`: where to draw the
    board, as it is when the run is asked to end."""

    workers: int
    feed: GeneratedFeed | FileFeed
    seconds: float | None
    picture: Path | None


class Parent:
    """One run. `stop()` asks it to end in order; `failure` says why it ended, if nobody asked."""

    def __init__(self, ask: Ask, settings: Settings, broker: str, redis_url: str, scratch: Path, kernel: Child) -> None:
        brokers, partitions = Brokers(broker), settings.topics.partitions or max(PARTITIONS_MIN, 2 * ask.workers)
        self.settings = settings_for(settings, broker, redis_url, partitions)
        self.state = RunState()
        self.failure: BaseException | None = None
        self._ask, self._kernel, self._partitions = ask, kernel, partitions
        environment = environment_of(self.settings) | {
            "TMPDIR": str(scratch)
        }  # temporary files go where ours are removed
        self._workers = [
            Child(f"worker {number}", command_of("worker"), environment) for number in range(1, ask.workers + 1)
        ]
        self._cases = Child("cases", command_of("cases"), environment)
        self._children = [*self._workers, self._cases]
        self.state.processes = [child.process for child in self._children]
        self._flights = InFlightPayments()
        self._stopping = asyncio.Event()
        self._publisher = TrackedPublisher(brokers, self.settings.topics.payments, self.state, self._flights)
        self._outputs = Outputs(brokers, self.settings.topics, partitions, self.state, self._flights)

    def stop(self) -> None:
        self._stopping.set()

    def kill(self) -> None:
        """Every process of ours, at once."""
        for child in self._children:
            child.kill()

    async def run(self, display: Display) -> None:
        """Until `stop`, a failure, or the time is over. Raises nothing: see `failure`."""
        beat = asyncio.create_task(self._guarded(self._beat(display)))
        tasks: list[asyncio.Task[None]] = []

        def begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            tasks.append(asyncio.create_task(self._guarded(work)))
            return tasks[-1]

        try:
            begin(self._watch_embedded())
            feeding = begin(self._start(begin))
            await self._stopping.wait()
            if self._ask.picture is not None:
                draw(self.state, self._ask.picture)
            if self.failure is None:
                await self._stop_in_order(feeding)
        finally:
            self.kill()
            for task in (*tasks, beat):
                task.cancel()
            await asyncio.wait([*tasks, beat], timeout=CLIENTS_S_MAX)  # without a broker, clients do not find an end

    async def _start(self, begin: Any) -> None:
        """Start everything, then publish until there is nothing left or we are cancelled."""
        settings, state = self.settings, self.state
        await apply_topics(Brokers(settings.kafka.bootstrap_servers), wanted_topics(settings))
        topics = settings.topics
        state.places = {
            "broker": settings.kafka.bootstrap_servers,
            "redis": settings.redis.url,
            "topics": f"{topics.payments} {topics.decisions} {topics.alerts} {topics.cases} {topics.dead_letters}",
            "embedded, in memory": "a demo, not for production",
        }
        begin(self._outputs.read())
        begin(self._cases.keep(state.tell, QUICK_DEATHS_MAX))
        begin(self._start_workers(begin))
        if self._ask.seconds is not None:
            begin(self._end_after(self._ask.seconds))
        async with self._publisher:
            await self._ask.feed.publish(self._publisher, state, self._flights)
            await self._publisher.flush()
            await self._flights.until_fewer_than(1)
            state.phase = f"all {state.payments:,} payments are decided; waiting for Ctrl-C"
            await asyncio.Event().wait()

    async def _start_workers(self, begin: Any) -> None:
        compiled = asyncio.create_task(self._kernel.ended())
        try:
            await asyncio.wait([compiled], timeout=COMPILING_S)
            if not compiled.done():
                self.state.tell("compiling the kernel (first run only, about 15 s)")
            if await compiled != 0:
                raise Failure(self._kernel.text() or "the kernel can't be compiled.")
        finally:
            compiled.cancel()
        if self.state.notice.startswith("compiling"):
            self.state.tell("the kernel is compiled")
        for worker in self._workers:
            begin(worker.keep(self.state.tell, QUICK_DEATHS_MAX))
        await health_poller.watch(self._children)

    async def _end_after(self, seconds: float) -> None:
        await _until(lambda: self.state.decisions > 0)
        await asyncio.sleep(seconds)
        self.stop()

    async def _beat(self, display: Display) -> None:
        """The face's ticks. When nobody can see it any more (`BrokenPipeError`), the run ends."""
        while True:
            display.tick()
            await asyncio.sleep(TICK_S)

    async def _watch_embedded(self) -> None:
        """Ends the run when a server of ours is gone: all that it held is gone with it."""
        while True:
            await self._look_at_embedded()
            await asyncio.sleep(LOOK_S)

    async def _look_at_embedded(self) -> None:
        """Raises `Failure` if the broker or Redis is gone."""
        redis = urlsplit(self.settings.redis.url).netloc
        for name, address in (("broker", self.settings.kafka.bootstrap_servers), ("Redis", redis)):
            host, _, port = address.rpartition(":")
            try:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
            except OSError:
                raise Failure(
                    f"the embedded {name} died, and with it all that it held in memory. Run fraudstream up again."
                ) from None

    async def _guarded(self, work: Awaitable[None]) -> None:
        """What is raised in there ends the run. A server's death is told as such, whoever noticed it first."""
        try:
            try:
                await work
            except (asyncio.CancelledError, BrokenPipeError):
                raise
            except BaseException:
                await self._look_at_embedded()
                raise
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self.failure is None and not self._stopping.is_set():
                self.failure = error
            self.stop()

    async def _stop_in_order(self, feeding: asyncio.Task[None]) -> None:
        state = self.state
        state.phase = "stopping: the last payments are decided"
        async with self._publisher.whole:
            feeding.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(feeding, return_exceptions=True), PUBLISHER_S_MAX)
        if state.decisions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._flights.until_fewer_than(1), DECIDED_S_MAX)
        state.phase = "stopping: the workers take their last checkpoint"
        await asyncio.gather(*(worker.stop(WORKERS_S_MAX) for worker in self._workers))
        state.phase = "stopping: the last alerts become cases"
        with suppress(TimeoutError):
            await asyncio.wait_for(_until(lambda: state.alerts_in_cases >= state.alerts_seen), CASES_S_MAX)
        await self._cases.stop(CASES_S_MAX)
        state.phase = "stopped"


async def _until(holds: Callable[[], bool]) -> None:
    while True:
        if holds():
            return
        await asyncio.sleep(TICK_S)


def settings_for(settings: Settings, broker: str, redis_url: str, partitions: int) -> Settings:
    """The user's settings, on our broker and Redis."""
    replace = msgspec.structs.replace
    return replace(
        settings,
        kafka=KafkaSettings(bootstrap_servers=broker),
        redis=replace(settings.redis, url=redis_url),
        worker=replace(settings.worker, checkpoint_mode="batch", decisions=True, processes=None),
        metrics=replace(settings.metrics, host="127.0.0.1", port=0),
        topics=replace(settings.topics, partitions=partitions, replication=1),
        rules=replace(settings.rules, directory=str(Path(settings.rules.directory).resolve())),
    )
