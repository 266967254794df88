"""Runs the commands of a tutorial: its `sh` blocks in order, in one shell, beside a running `fraudstream up`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from docsite.markdown import code_blocks
from docsite.source import REPOSITORY

START = "2025-01-01T08:00:00Z"  # the same payments on every day
START_S = 400.0
PAGE_S = 480.0
COMMAND_S = 120.0
STOP_S = 60.0
READ = {"examples", "rules"}  # by the commands of the pages


class RunningUp:
    """`fraudstream up` with two workers, one of them a standby. `ports`: what the pages call BROKER_PORT, and so on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        scratch = directory / "scratch"
        scratch.mkdir()
        self._output = directory / "up.jsonl"
        self._errors = directory / "up.errors"
        payments = ("--accounts", "1000", "--seed", "1", "--start", START)
        flags = ("--json", *payments, "--workers", "2", "--set", "worker.stages=single")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fraudstream.cli.main", "up", *flags],
            stdout=self._output.open("wb"),
            stderr=self._errors.open("wb"),
            env=_environment() | {"TMPDIR": str(scratch)},
            cwd=REPOSITORY,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def workspace(self, name: str) -> Path:
        """A copy of what the pages read of the repository, to write into, beside a link to its .venv."""
        root = self.directory / name
        root.mkdir()
        for path in REPOSITORY.iterdir():
            if path.name == ".venv":
                (root / path.name).symlink_to(path)
            elif path.name in READ:
                shutil.copytree(path, root / path.name)
        return root

    def names(self) -> dict[str, str]:
        """What stands in a page for a port or a process id, as they are now. Waits until cases are open."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            events = self._events()
            endpoints = next((event for event in events if event["event"] == "endpoints"), None)
            progress = next((event for event in reversed(events) if event["event"] == "progress"), None)
            if endpoints is not None and progress is not None and progress["open_cases"]:
                workers = [p for p in progress["processes"] if p["name"].startswith("worker") and p["metrics_url"]]
                roles = {_partitions(worker["metrics_url"]): worker["metrics_url"] for worker in workers}
                if set(roles) == {0, 1}:
                    ports = {"ACTIVE_PORT": _port(roles[1]), "STANDBY_PORT": _port(roles[0])}
                    redis = endpoints["redis"].rpartition("/")[0]
                    return {
                        "BROKER_PORT": _port(endpoints["broker"]),
                        "REDIS_PORT": _port(redis),
                        **ports,
                        "ACTIVE_PID": str(_listening(int(ports["ACTIVE_PORT"]))),
                    }
            assert self._process.poll() is None, self._errors.read_text()
            time.sleep(0.5)
        raise AssertionError(f"no case within {START_S:.0f} s: {self._errors.read_text()}")

    def _events(self) -> list[dict[str, Any]]:
        lines = self._output.read_bytes().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]


def run_page(page: str, up: RunningUp, *, without: str | None = None) -> list[str]:
    """What each `sh` block of the page printed. The first command that fails is an error. `without`: a word of the
    blocks to leave out."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    blocks = [block.text for block in code_blocks(text) if block.language == "sh"]
    kept = [block for block in blocks if without is None or without not in block]
    script = "".join(f"printf '\\f'\n{block}" for block in kept)
    for name, value in up.names().items():
        script = script.replace(name, value)
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", script],
        cwd=up.workspace(Path(page).stem),
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PAGE_S,
        check=False,
    )
    assert done.returncode == 0, f"{page}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout.split("\f")[1:]


def run_words(commands: Sequence[tuple[str, ...]], up: RunningUp) -> dict[tuple[str, ...], str | None]:
    """What each `fraudstream …` said when it failed, None if it did not."""
    ports = up.names()
    environment = _environment() | {
        "FRAUDSTREAM_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['BROKER_PORT']}",
        "FRAUDSTREAM_REDIS_URL": f"redis://127.0.0.1:{ports['REDIS_PORT']}/0",
    }
    workspace = up.workspace("commands")
    said: dict[tuple[str, ...], str | None] = {}
    for words in commands:
        done = subprocess.run(
            [sys.executable, "-m", "fraudstream.cli.main", *words[1:]],
            cwd=workspace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        said[words] = None if done.returncode == 0 else f"{done.returncode}: {done.stderr[-500:]}"
    return said


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FRAUDSTREAM_")}
    return kept | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "120"}


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _partitions(metrics_url: str) -> int:
    """How many partitions a worker has; -1 if it does not answer yet."""
    try:
        with urllib.request.urlopen(f"{metrics_url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return -1
    return next((int(float(line.split()[-1])) for line in lines if line.startswith("fraudstream_assigned_")), -1)


def _listening(port: int) -> int:
    """The process that listens at a port of loopback."""
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in table if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) in inodes:
                return int(descriptor.parts[2])
        except OSError:  # it was closed, or its process has ended
            continue
    raise AssertionError(f"no process listens at port {port}")
