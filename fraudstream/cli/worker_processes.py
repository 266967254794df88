"""`fraudstream worker --processes N`: N worker processes under one supervisor.

    a worker exits with 70, by a signal, or unexpectedly: it is restarted with back-off and resumes from its last
    checkpoint (with `worker.group_instance_id` its partitions wait for it and none moves);
    its `/healthz` reports that a restart would help: it is stopped, then restarted;
    it exits with a sentence that says why it cannot run (code 78, or at its start): all workers are stopped, and the
    supervisor exits with that code;
    SIGTERM or SIGINT: all workers are stopped. One that is still running after the stated time is killed, and the
    supervisor exits with 70.

When the supervisor dies, even by SIGKILL, its workers die with it (`parent_death`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from fraudstream.cli.command_process import (
    CommandProcess,
    command_of,
    environment_of,
    kernel_process,
    wait_until_compiled,
)
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.supervision.process import exit_description
from fraudstream.supervision.restarts import stop_together
from fraudstream.supervision.stop_signals import StopSignals

LEAVE_S_MAX: Final = 5.0  # after the last checkpoint, which has half of the session time-out
EXIT_S_MAX: Final = 5.0  # for the interpreter to exit, on a busy machine
HEALTH_INTERVAL_S: Final = 10.0
ANSWER_S_MAX: Final = 5.0
EXIT_CODE_FAILED: Final = 70
STOPPED: Final = (0, -signal.SIGTERM)  # SIGTERM kills a process that has not installed its handler yet
PORT_MAX: Final = 65_535

log = logging.getLogger(__name__)


def run_processes(settings: Settings, processes: int, as_json: bool) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Raises `Failure` if a worker cannot run. Must run in the main thread.

    `as_json`: the workers log JSON lines.
    """
    if settings.metrics.port + processes - 1 > PORT_MAX:
        raise Failure(
            f"metrics.port {settings.metrics.port}: the ports of {processes} processes would exceed {PORT_MAX}."
        )
    return asyncio.run(_WorkerSupervisor(settings, processes, as_json).run())


def settings_of(settings: Settings, number: int) -> Settings:
    """The settings of worker `number`, counted from 1: its own metrics port and its own name in the group."""
    worker, port = settings.worker, settings.metrics.port
    name = f"{worker.group_instance_id}-{number}" if worker.group_instance_id is not None else None
    return replace(
        settings,
        worker=replace(worker, processes=None, group_instance_id=name),
        metrics=replace(settings.metrics, port=port + number - 1 if port else 0),
    )


class _WorkerSupervisor:
    """Compiles the kernel, then runs the workers until a stop signal or until one of them cannot run."""

    def __init__(self, settings: Settings, processes: int, as_json: bool) -> None:
        self._stop_s_max = settings.worker.session_timeout_s / 2 + LEAVE_S_MAX + EXIT_S_MAX
        self._kernel = kernel_process(settings.rules.directory, environment_of(settings))
        command = command_of("worker", "--json") if as_json else command_of("worker")
        self._workers = [
            CommandProcess(
                f"worker {number}",
                command,
                environment_of(settings_of(settings, number)),
                report=log.warning,
                on_line=_write if as_json else _prefixed(f"worker {number}"),
            )
            for number in range(1, processes + 1)
        ]

    async def run(self) -> int:
        """Until a stop signal; the exit code. Raises `Failure`."""
        loop, stop_requested = asyncio.get_running_loop(), asyncio.Event()
        with StopSignals(lambda: loop.call_soon_threadsafe(stop_requested.set)):
            stopping = asyncio.create_task(stop_requested.wait())
            working = asyncio.create_task(self._work())
            await asyncio.wait((stopping, working), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            code = await self._stop()
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working  # raises the failure, if there was one
            return code

    async def _work(self) -> None:
        self._kernel.start()
        await wait_until_compiled(self._kernel, log.info)
        log.info("starting %d workers; each is stopped within %g s", len(self._workers), self._stop_s_max)
        running = [worker.run() for worker in self._workers]
        checking = [restart_when_unhealthy(worker, HEALTH_INTERVAL_S, self._stop_s_max) for worker in self._workers]
        await asyncio.gather(*running, *checking)

    async def _stop(self) -> int:
        """Stop all workers at once; the exit code."""
        self._kernel.kill()
        codes = await stop_together(self._workers, self._stop_s_max)
        for worker, code in zip(self._workers, codes, strict=True):
            if code == -signal.SIGKILL:
                log.error("%s was killed: it was still running after %g s", worker.name, self._stop_s_max)
            elif code not in STOPPED:
                log.error("%s %s", worker.name, exit_description(code))
        return 0 if all(code in STOPPED for code in codes) else EXIT_CODE_FAILED


async def restart_when_unhealthy(worker: CommandProcess, interval_s: float, stop_s_max: float) -> None:
    """Check `/healthz` of the worker every `interval_s`, until cancelled. If it reports a fault, stop the process
    within `stop_s_max`; its supervision then restarts it."""
    while True:
        await asyncio.sleep(interval_s)
        url = worker.status.metrics_url
        fault = await asyncio.to_thread(_health_fault, f"{url}/healthz") if url else None
        if fault is not None and url == worker.status.metrics_url:  # else it has been restarted meanwhile
            log.error("%s is unhealthy, stopping it: %s", worker.name, fault)
            await worker.child.stop(stop_s_max)


def _health_fault(url: str) -> str | None:
    """The fault that the process reports; None if it is healthy, or does not answer: it may be starting, or
    stopping."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S_MAX):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace").strip()
    except OSError:
        return None


def _prefixed(name: str) -> Callable[[bytes], None]:
    """Writes a line with the worker's name in front."""
    return lambda line: _write(f"{name}: ".encode() + line)


def _write(line: bytes) -> None:
    """Write a line to stderr, where also the supervisor logs."""
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()
