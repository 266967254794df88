"""A `fraudstream` command as a supervised child process, with its status for the board."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from fraudstream.board.run_state import Process
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import ENVIRONMENT_PREFIX, SECTIONS, Settings
from fraudstream.compiled.cache import GIVEN as JIT_CACHE
from fraudstream.compiled.cache import jit_cache
from fraudstream.supervision.process import ChildProcess, exit_description
from fraudstream.supervision.restarts import (
    PermanentExitError,
    QuickExitsError,
    Restart,
    RestartedProcess,
    RestartPolicy,
)

QUICK_EXITS_MAX: Final = 5  # more in a row have a permanent cause
EXIT_CODE_REFUSED: Final = 78  # a restart cannot help: see `fraudstream worker --help`
FAILURE_PREFIX: Final = "fraudstream: "  # `cli.main` puts it before the sentence of a `Failure`
KERNEL_REPORT_S: Final = 3.0  # loading a compiled kernel takes less, on a machine that is not busy
IMPORT_S_MAX: Final = 60.0  # on a busy machine
COMPILING: Final = "compiling the kernel (on the first run of this release only, about a minute)"
LOADING: Final = "loading the compiled kernel"

_METRICS = re.compile(rb"metrics at (http://\S+)/metrics")


class CommandProcess:
    """`python -m COMMAND` with just this environment, restarted when it exits.

    `on_line`: called in a thread with each line that it writes. `report`: called with a sentence before each restart.
    `quick_exits_max`: see `RestartPolicy`. `status`: what the board shows of it. Start it in the main thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        report: Callable[[str], None],
        on_line: Callable[[bytes], None] | None = None,
        quick_exits_max: int | None = None,
    ) -> None:
        self.status = Process(name)
        self._report, self._on_line = report, on_line
        self.child = ChildProcess(
            name,
            [sys.executable, "-m", *command],
            environment,
            on_line=self._read_line,
            on_start=self._on_start,
        )
        self._restarted = RestartedProcess(
            self.child, _is_permanent, self._on_restart, RestartPolicy(quick_exits_max=quick_exits_max)
        )

    @property
    def name(self) -> str:
        """Its name on the board and in messages."""
        return self.status.name

    async def run(self) -> None:
        """Keep it running until `stop`. Raises `Failure` if a restart cannot help, with the process's exit code."""
        try:
            await self._restarted.run()
        except PermanentExitError as error:
            reason = error.last_line.removeprefix(FAILURE_PREFIX)
            raise Failure(f"{self.name} cannot run: {reason}", max(error.code, 1)) from error
        except QuickExitsError as error:
            how = exit_description(error.code)
            raise Failure(f"{error}; the last time it {how}: {error.last_line}") from error

    async def stop(self, timeout_s: float) -> int:
        """Stop it without a restart. The result is that of `ChildProcess.stop`."""
        code = await self._restarted.stop(timeout_s)
        self.status.status, self.status.detail = "stopped", ""
        return code

    def _on_start(self) -> None:
        self.status.status, self.status.detail, self.status.metrics_url = "starting", "", ""

    def _on_restart(self, restart: Restart) -> None:
        self.status.status, self.status.detail = "restarting", restart.how
        reason = f": {restart.last_line}" if restart.last_line and restart.code > 0 else ""
        self._report(f"{self.name} {restart.how}, restarting in {restart.pause_s:g} s{reason}")

    def _read_line(self, line: bytes) -> None:
        if found := _METRICS.search(line):
            self.status.metrics_url = found[1].decode()
        if self._on_line is not None:
            self._on_line(line)


def _is_permanent(code: int, last_line: str) -> bool:
    return code == EXIT_CODE_REFUSED or last_line.startswith(FAILURE_PREFIX)


def kernel_process(rules_directory: str, environment: Mapping[str, str]) -> ChildProcess:
    """A process that compiles the kernel for these rules into the cache, so that the workers do not each compile it."""
    command = [sys.executable, "-m", "fraudstream.cli.compile_kernel", rules_directory]
    return ChildProcess("kernel", command, environment)


async def wait_until_compiled(kernel: ChildProcess, report: Callable[[str], None]) -> None:
    """Wait until the kernel process, which has been started, has exited. If that takes long, `report` is called with
    its first line, and again at the end. Raises `Failure` if it fails."""
    compiling = asyncio.create_task(kernel.wait())
    try:
        await asyncio.wait([compiling], timeout=KERNEL_REPORT_S)
        is_slow = not compiling.done()
        if is_slow:
            await asyncio.to_thread(kernel.wait_until_ready, lambda: bool(kernel.text()), IMPORT_S_MAX)
            report(kernel.text().partition("\n")[0])
        if await compiling != 0:
            sentence = kernel.text().removeprefix(COMPILING).removeprefix(LOADING).strip()
            raise Failure(sentence or "the kernel cannot be compiled.")
        if is_slow:
            report("the kernel is ready")
    finally:
        compiling.cancel()


def command_of(*words: str) -> list[str]:
    """A command for `CommandProcess` that takes its settings from its environment alone (`environment_of`)."""
    return ["fraudstream.cli.main", "--config", os.devnull, *words]


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of this process with every setting in force as a variable."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    for section in SECTIONS:
        for name, value in msgspec.structs.asdict(getattr(settings, section)).items():
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                environment[f"{ENVIRONMENT_PREFIX}{section}_{name}".upper()] = text
    if (cache := jit_cache(environment).directory) is not None:  # the same one, whatever else their variables are
        environment[JIT_CACHE] = str(cache)
    return environment | {"PYTHONUNBUFFERED": "1"}
