"""`fraudstream worker --processes N`: so many workers as processes of their own, under one supervisor.

    a process ends with 70, by a signal, or of something unforeseen: it is started again, ever later, and goes on from
    its last checkpoint (with `worker.group_instance_id`: its partitions wait for it, none moves);
    its `/healthz` says that a restart would help: the same;
    it says why it can't go on (78, or a sentence at its start): the others are stopped, and so are we, with its code;
    SIGTERM or SIGINT: all are stopped in order. Who has not ended within the stated time is killed, and we end with 70.

When the supervisor dies, also by kill -9, its processes die with it (`parent_death`): whoever starts it again starts all.
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

from msgspec.structs import replace

from fraudstream.cli.child import Child, command_of, environment_of, how_ended
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings

LEAVE_S_MAX = 5.0  # after the last checkpoint, which has half of the session time-out
END_S_MAX = 5.0  # for the interpreter, on a busy machine
COMPILING_S = 3.0  # loading what is compiled takes less
LOOK_S = 10.0
ANSWER_S_MAX = 5.0
FAILED = 70
STOPPED = (0, -signal.SIGTERM)  # the signal alone ends a process that has not begun to listen to it
PORT_MAX = 65_535

log = logging.getLogger(__name__)


def run_processes(settings: Settings, processes: int, as_json: bool) -> int:
    """Until SIGTERM or SIGINT. Raises `Failure` where to go on is in vain. Must run in the main thread."""
    if settings.metrics.port + processes - 1 > PORT_MAX:
        raise Failure(f"metrics.port {settings.metrics.port}: {processes} ports from there on end beyond {PORT_MAX}.")
    return asyncio.run(_Supervisor(settings, processes, as_json).run())


def settings_of(settings: Settings, number: int) -> Settings:
    """Those of worker `number`, counted from 1: a metrics port and a name of its own in the group."""
    worker, port = settings.worker, settings.metrics.port
    name = f"{worker.group_instance_id}-{number}" if worker.group_instance_id is not None else None
    return replace(
        settings,
        worker=replace(worker, processes=None, group_instance_id=name),
        metrics=replace(settings.metrics, port=port + number - 1 if port else 0),
    )


class _Supervisor:
    def __init__(self, settings: Settings, processes: int, as_json: bool) -> None:
        self._stop_s_max = settings.worker.session_timeout_s / 2 + LEAVE_S_MAX + END_S_MAX
        self._stopping = asyncio.Event()
        self._kernel = Child(
            "kernel", ["fraudstream.cli.compile_kernel", settings.rules.directory], environment_of(settings)
        )
        command = command_of("worker", "--json") if as_json else command_of("worker")
        self._workers = [
            Child(
                f"worker {number}",
                command,
                environment_of(settings_of(settings, number)),
                _pass_on if as_json else _named(f"worker {number}"),
            )
            for number in range(1, processes + 1)
        ]

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        stopping = asyncio.create_task(self._stopping.wait())
        working = asyncio.create_task(self._work())
        await asyncio.wait((stopping, working), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        code = await self._stop()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working  # raises the failure, if that is why
        return code

    async def _work(self) -> None:
        self._kernel.start()  # compiled once, before there are several to do it
        compiled = asyncio.create_task(self._kernel.ended())
        if not (await asyncio.wait((compiled,), timeout=COMPILING_S))[0]:
            log.info("compiling the kernel (first run only, about 15 s)")
        if await compiled != 0:
            raise Failure(self._kernel.text() or "the kernel can't be compiled.")
        log.info("%d workers start; each is stopped within %g s", len(self._workers), self._stop_s_max)
        keeping = [worker.keep(log.warning) for worker in self._workers]
        watching = [end_when_unhealthy(worker, LOOK_S, self._stop_s_max) for worker in self._workers]
        await asyncio.gather(*keeping, *watching)

    async def _stop(self) -> int:
        """In order and all at once; the exit code."""
        self._kernel.kill()
        code = 0
        for worker, ended in zip(
            self._workers, await asyncio.gather(*(each.stop(self._stop_s_max) for each in self._workers)), strict=True
        ):
            if ended == -signal.SIGKILL:
                log.error("%s was killed: it had not ended after %g s", worker.name, self._stop_s_max)
            elif ended not in STOPPED:
                log.error("%s %s", worker.name, how_ended(ended))
            code = code if ended in STOPPED else FAILED
        return code


async def end_when_unhealthy(worker: Child, look_s: float, stop_s_max: float) -> None:
    """Ask every `look_s` whether a restart would help, and if so end the process, which is then started again."""
    while True:
        await asyncio.sleep(look_s)
        url = worker.process.metrics_url
        fault = await asyncio.to_thread(_fault, f"{url}/healthz") if url else None
        if fault is not None and url == worker.process.metrics_url:
            log.error("%s is ended, as it is not healthy: %s", worker.name, fault)
            await worker.end(stop_s_max)


def _fault(url: str) -> str | None:
    """What is wrong with the process by its own word; None also where it has none: it may be starting, or ending."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S_MAX):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace").strip()
    except OSError:
        return None


def _named(name: str) -> Callable[[bytes], None]:
    return lambda line: _pass_on(f"{name}: ".encode() + line)


def _pass_on(line: bytes) -> None:
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()
