"""One run of `fraudstream up`: what starts when, what ends the run, and in which order it stops.

    start   kernel (compiles while the rest starts) · broker · Redis · topics · payments, readers, cases, history,
            console, gateway · workers
    stop    payments, until all are decided · workers, each with a last checkpoint · cases, history, console, gateway ·
            readers · Redis · broker

Workers wait for the kernel, so that it is compiled only once. The broker keeps the payments that are published before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from fraudstream.board.run_state import RunState
from fraudstream.cli import gateway
from fraudstream.cli.command_process import (
    QUICK_EXITS_MAX,
    CommandProcess,
    command_of,
    environment_of,
    wait_until_compiled,
)
from fraudstream.cli.console import missing_packages
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.up import health_poller
from fraudstream.cli.up.display import TICK_S, Display, draw
from fraudstream.cli.up.feed import FileFeed, GeneratedFeed, TrackedPublisher
from fraudstream.cli.up.in_flight_payments import InFlightPayments
from fraudstream.cli.up.outputs import Outputs
from fraudstream.cli.up.run_settings import RunBroker, partitions_for, settings_for
from fraudstream.cli.up.web_console import WebConsole
from fraudstream.cli.up.web_gateway import WebGateway
from fraudstream.cli.wanted_topics import wanted_topics
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.supervision.process import ChildProcess
from fraudstream.supervision.restarts import stop_together

SERVER_CHECK_S: Final = 0.5
DECIDED_S_MAX: Final = 3.0
WORKERS_S_MAX: Final = 5.0
CASES_S_MAX: Final = 2.0
PUBLISHER_S_MAX: Final = 2.0
CLIENTS_S_MAX: Final = 2.0


class RunOptions(NamedTuple):
    """Options of the command line. `seconds`: how long to run after the first decision, None: until stopped. `picture`:
    file to draw the board to when the run is asked to stop."""

    workers: int
    feed: GeneratedFeed | FileFeed
    seconds: float | None
    picture: Path | None


class Run:
    """One run on a broker and a Redis that are serving. `stop` asks it to end in order; `failure` is the error
    that ended it, if there was one.

    `scratch`: directory for temporary files. `kernel`: the process that compiles the kernel, which
    has been started.
    """

    def __init__(
        self,
        options: RunOptions,
        settings: Settings,
        broker: RunBroker,
        redis_url: str,
        scratch: Path,
        kernel: ChildProcess,
    ) -> None:
        partitions = settings.topics.partitions or partitions_for(options.workers, settings.worker.stages)
        self.settings = settings_for(
            settings, broker, redis_url, partitions, scratch, standby=1 == partitions < options.workers
        )
        self.state = RunState()
        self.failure: BaseException | None = None
        self._options, self._kernel, self._broker = options, kernel, broker
        self._brokers = brokers = Brokers(broker.servers)
        self._environment = environment_of(self.settings) | {"TMPDIR": str(scratch)}  # removed with `scratch`
        self._workers = [self._process(f"worker {number}", "worker") for number in range(1, options.workers + 1)]
        self._cases = self._process("cases", "cases")
        self._history = self._process("history", "history")
        # Its packages are optional: without them a run has no console.
        self._console = None if missing_packages() else WebConsole(self._environment, self.state, redis_url)
        self._gateway = None if gateway.missing_packages() else WebGateway(self._environment, self.state)
        servers = [server.process for server in (self._console, self._gateway) if server is not None]
        self._processes = [*self._workers, self._cases, self._history, *servers]
        self.state.processes = [process.status for process in self._processes]
        self._in_flight = InFlightPayments()
        self._stopping = asyncio.Event()
        self._publisher = TrackedPublisher(brokers, self.settings.topics.payments, self.state, self._in_flight)
        self._outputs = Outputs(brokers, self.settings.topics, partitions, self.state, self._in_flight)
        self._tasks: list[asyncio.Task[None]] = []

    def _process(self, name: str, command: str) -> CommandProcess:
        return CommandProcess(
            name,
            command_of(command),
            self._environment,
            report=self.state.notify,
            quick_exits_max=QUICK_EXITS_MAX,
        )

    def stop(self) -> None:
        """Ask the run to end in order. Safe in a signal handler: the display's ticks wake the event loop."""
        self._stopping.set()

    def kill(self) -> None:
        """Kill all workers and the processes beside them at once."""
        for process in self._processes:
            process.child.kill()

    async def run(self, display: Display) -> None:
        """Until `stop`, a failure, or the end of the time. Raises nothing: see `failure`."""
        ticking = asyncio.create_task(self._guarded(self._tick(display)))
        try:
            self._spawn(self._check_servers())
            feeding = self._spawn(self._start())
            await self._stopping.wait()
            if self._options.picture is not None:
                draw(self.state, self._options.picture)
            if self.failure is None:
                await self._stop_in_order(feeding)
        finally:
            self.kill()
            tasks = [*self._tasks, ticking]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CLIENTS_S_MAX)  # without a broker, Kafka clients do not end

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as a task; an error in it ends the run."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.append(task)
        return task

    async def _start(self) -> None:
        """Start everything, then publish payments until there are none left, or until cancelled."""
        settings, state, topics = self.settings, self.state, self.settings.topics
        await apply_topics(self._brokers, wanted_topics(settings))
        state.endpoints = {
            "broker": settings.kafka.bootstrap_servers,
            "redis": settings.redis.url,
            "topics": f"{topics.payments} {topics.decisions} {topics.alerts} {topics.cases} {topics.dead_letters}",
            self._broker.name: "a demo, not for production",
        }
        if self._console is not None:
            state.endpoints["console"] = "starting"
            self._spawn(self._console.run())
        if self._gateway is not None:
            state.endpoints["gateway"] = "starting"
            self._spawn(self._gateway.process.run())
        self._spawn(self._outputs.read())
        self._spawn(self._cases.run())
        self._spawn(self._history.run())
        self._spawn(self._start_workers())
        if self._options.seconds is not None:
            self._spawn(self._stop_after(self._options.seconds))
        async with self._publisher:
            await self._options.feed.publish(self._publisher, state, self._in_flight)
            await self._publisher.flush()
            await self._in_flight.until_fewer_than(1)
            state.phase = f"all {state.payments:,} payments are decided; waiting for Ctrl-C"
            await asyncio.Event().wait()

    async def _start_workers(self) -> None:
        await wait_until_compiled(self._kernel, self.state.notify)
        for worker in self._workers:
            self._spawn(worker.run())
        await health_poller.poll(self._processes)

    async def _stop_after(self, seconds: float) -> None:
        await _until(lambda: self.state.decisions > 0)
        await asyncio.sleep(seconds)
        self.stop()

    async def _tick(self, display: Display) -> None:
        """Update the display until cancelled. A reader that has exited (`BrokenPipeError`) ends the run."""
        while True:
            display.tick()
            await asyncio.sleep(TICK_S)

    async def _check_servers(self) -> None:
        """End the run when an embedded server has died, as its data is lost with it."""
        while True:
            await self._check_servers_once()
            await asyncio.sleep(SERVER_CHECK_S)

    async def _check_servers_once(self) -> None:
        """Raises `Failure` if the broker or Redis does not accept connections."""
        redis = urlsplit(self.settings.redis.url).netloc
        for name, address in ((self._broker.name, self._broker.servers), ("embedded Redis", redis)):
            host, _, port = address.rpartition(":")
            try:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
            except OSError:
                raise Failure(f"the {name} ended, and its data is lost. Run fraudstream up again.") from None

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Await `work`; an error ends the run. If a server has died, that is reported, whichever error came first."""
        try:
            try:
                await work
            except (asyncio.CancelledError, BrokenPipeError):
                raise
            except BaseException:
                await self._check_servers_once()
                raise
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self.failure is None and not self._stopping.is_set():
                self.failure = error
            self.stop()

    async def _stop_in_order(self, feeding: asyncio.Task[None]) -> None:
        """Stop publishing, then the workers, then the case agent, each once it has nothing left to do."""
        state = self.state
        state.phase = "stopping: waiting for the last decisions"
        async with self._publisher.publishing:
            feeding.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(feeding, return_exceptions=True), PUBLISHER_S_MAX)
        if state.decisions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._in_flight.until_fewer_than(1), DECIDED_S_MAX)
        state.phase = "stopping: the workers write their last checkpoints"
        await stop_together(self._workers, WORKERS_S_MAX)
        state.phase = "stopping: the last alerts are grouped into cases"
        with suppress(TimeoutError):
            await asyncio.wait_for(_until(lambda: state.alerts_in_cases >= state.alerts_seen), CASES_S_MAX)
        await stop_together(self._processes[len(self._workers) :], CASES_S_MAX)
        state.phase = "stopped"


async def _until(holds: Callable[[], bool]) -> None:
    """Wait until `holds()` is true."""
    while True:
        if holds():
            return
        await asyncio.sleep(TICK_S)
