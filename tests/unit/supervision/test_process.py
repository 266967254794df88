"""A child process is started, waited for, stopped in time, and killed if it does not stop. Real processes."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fraudstream.supervision.process import ChildProcess, exit_description

WAIT_S = 30.0
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)
WAITING = "print('ready', flush=True); import time; time.sleep(600)"


@contextmanager
def running(code: str, lines: list[bytes] | None = None) -> Iterator[ChildProcess]:
    process = ChildProcess("child", [sys.executable, "-c", code], {}, on_line=None if lines is None else lines.append)
    process.start()
    try:
        yield process
    finally:
        process.kill()


async def test_the_exit_code_and_the_last_lines_are_known_after_the_exit() -> None:
    lines: list[bytes] = []
    with running("print('one'); print('two'); raise SystemExit(3)", lines) as process:
        assert await process.wait() == 3
    assert (process.text(), process.last_line(), lines) == ("one\ntwo", "two", [b"one\n", b"two\n"])
    assert not process.running


async def test_only_the_output_since_the_last_start_is_kept() -> None:
    with running("import os; print(os.getpid())") as process:
        await process.wait()
        first = process.text()
        process.start()
        await process.wait()
    assert process.text() == str(process.pid) != first


async def test_a_process_that_stops_in_time_is_not_killed() -> None:
    with running(WAITING) as process:
        assert process.wait_until_ready(lambda: process.last_line() == "ready", WAIT_S)
        assert await process.stop(WAIT_S) == -signal.SIGTERM
        assert await process.stop(WAIT_S) == 0  # not running any more


async def test_a_process_that_does_not_stop_in_time_is_killed() -> None:
    with running(STUBBORN) as process:
        assert process.wait_until_ready(lambda: process.last_line() == "ready", WAIT_S)
        assert await process.stop(0.1) == -signal.SIGKILL
    assert not process.running


def test_the_same_without_an_event_loop() -> None:
    with running(STUBBORN) as process:
        assert process.wait_until_ready(lambda: process.last_line() == "ready", WAIT_S)
        assert process.stop_blocking(0.1) == -signal.SIGKILL
        assert process.stop_blocking(0.1) == 0


def test_a_process_that_exits_before_it_is_ready_is_not_waited_for() -> None:
    started_s = time.monotonic()
    with running("pass") as process:
        assert not process.wait_until_ready(lambda: False, WAIT_S)
    assert time.monotonic() - started_s < WAIT_S


def test_a_process_that_is_never_ready_is_waited_for_until_the_limit() -> None:
    with running(WAITING) as process:
        assert not process.wait_until_ready(lambda: False, 0.1)
        assert process.running


def test_a_process_gets_just_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    with running("import os; print(os.environ.get('SECRET'), flush=True); import time; time.sleep(600)") as process:
        assert process.wait_until_ready(lambda: process.last_line() == "None", WAIT_S)


@pytest.mark.parametrize(("code", "words"), [(0, "exited with code 0"), (-15, "was killed by SIGTERM")])
def test_an_exit_is_described_in_words(code: int, words: str) -> None:
    assert exit_description(code) == words
