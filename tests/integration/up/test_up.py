"""`fraudstream up` as a new user runs it: a subprocess, observed through its output, its topics and /proc.

Limits: the look of the board and the time on a machine that has to compile the kernel first are not tested.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from fraudstream.contracts import Case

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

WAIT_S = 120.0
FEW = ("--accounts", "1000", "--seed", "1")
START = ("--start", "2025-01-01T08:00:00Z")  # the same payments on every day
LISTENING = "0A"  # the state TCP_LISTEN in /proc/net/tcp


class UpProcess:
    """A running `fraudstream up`; its JSON lines are read one by one into `events`."""

    def __init__(self, tmp_path: Path, *flags: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAUDSTREAM_")}
        self.scratch = tmp_path / "scratch"
        self.scratch.mkdir()
        self._errors = tmp_path / "stderr"
        start = () if "--payments" in flags else START
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fraudstream.cli.main", "up", *FEW, *start, *flags],
            stdout=subprocess.PIPE,
            stderr=self._errors.open("wb"),
            text=True,
            env=environment | {"TMPDIR": str(self.scratch), "FRAUDSTREAM_GATEWAY_PORT": "0"},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self._output = self.process.stdout
        self.events: list[dict[str, Any]] = []

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next JSON line for which `holds` is true."""
        for line in self._output:
            self.events.append(json.loads(line))
            if holds(self.events[-1]):
                return self.events[-1]
        raise AssertionError(f"the output ended with {self.events[-3:]}: {self.errors()}")

    def until_event(self, name: str) -> dict[str, Any]:
        """The next JSON line of this event."""
        return self.until(lambda event: event["event"] == name)

    def family(self) -> set[int]:
        """Process ids of the run and of all processes that it started."""
        found, parents = {self.process.pid}, _parents()
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def child(self, word: str) -> int:
        """The process id of a child whose command line contains `word`."""
        return next(pid for pid in self.family() if word in _command(pid))

    def ask_to_stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to the run."""
        self.process.send_signal(number)

    def rest(self) -> tuple[int, str]:
        """Exit code and stderr, once it has ended. Raises `subprocess.TimeoutExpired` after `WAIT_S`."""
        self.events += [json.loads(line) for line in self._output]
        return self.process.wait(WAIT_S), self.errors()

    def errors(self) -> str:
        """Its stderr so far."""
        return self._errors.read_text()


@pytest.fixture(autouse=True)
def any_gateway_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that start at the same moment would both find the usual port free."""
    monkeypatch.setenv("FRAUDSTREAM_GATEWAY_PORT", "0")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., UpProcess]]:
    """Starts runs with further flags; kills them after the test."""
    runs: list[UpProcess] = []

    def start(*flags: str) -> UpProcess:
        directory = tmp_path / str(len(runs))
        directory.mkdir()
        runs.append(UpProcess(directory, *flags))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()


def test_plain_lines_show_alerts_with_their_reasons_and_the_run_ends_by_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fraudstream.cli.main", "up", *FEW, *START, "--plain", "--for", "5"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, done.stderr
    assert "a demo, not for production" in done.stdout
    lines = done.stdout.splitlines()
    alert = next(line for line in lines if line.startswith("alert "))
    assert " score " in alert
    reason = alert.partition(" score ")[2]
    assert "/" in reason or " bits" in reason, f"names no rule and no part of the score: {alert}"
    assert lines[-1].startswith("total: ")


async def test_every_payment_is_decided_and_no_process_or_file_is_left_at_the_end(
    up: Callable[..., UpProcess],
) -> None:
    run = up("--json", "--workers", "2")
    endpoints = run.until_event("endpoints")
    alert = run.until_event("alert")["alert"]
    assert [rule["message"] for rule in alert["rules"]] or alert["score_parts"]

    case = await first_case(endpoints["broker"])
    assert case.alert_count >= 1
    family = run.family()
    assert len(family) >= 8, "the run, broker, Redis, two workers, the case agent, the history, the console"
    assert listening_addresses(family) == {"127.0.0.1"}

    run.ask_to_stop()
    code, err = run.rest()
    assert (code, err) == (0, "")
    totals = run.events[-1]
    assert totals["event"] == "totals"
    assert totals["payments"] == totals["decisions"] > 0
    assert totals["alerts"] >= totals["cases"] > 0
    assert alive(family) == set()
    assert list(run.scratch.iterdir()) == []


def test_a_killed_worker_is_started_again_and_every_payment_is_decided_once(up: Callable[..., UpProcess]) -> None:
    run = up("--json")
    run.until_event("alert")
    os.kill(run.child(" worker"), signal.SIGKILL)
    said = run.until_event("notice")
    assert said["sentence"] == "worker 1 was killed by SIGKILL, restarting in 0.5 s"

    before = run.until_event("progress")["decisions"]
    run.until(lambda event: event["event"] == "progress" and event["decisions"] > before)
    run.ask_to_stop(signal.SIGTERM)
    code, err = run.rest()
    assert (code, err) == (0, "")
    assert run.events[-1]["payments"] == run.events[-1]["decisions"]


@pytest.mark.parametrize(
    ("process", "name"), [("kafka_server", "embedded broker"), ("valkey-server", "embedded Redis")]
)
def test_the_death_of_an_embedded_server_ends_the_run_with_a_sentence(
    up: Callable[..., UpProcess], process: str, name: str
) -> None:
    run = up("--json")
    run.until_event("endpoints")
    family = run.family()
    os.kill(run.child(process), signal.SIGKILL)
    code, err = run.rest()
    assert code == 1
    assert err == (f"fraudstream: the {name} ended, and its data is lost. Run fraudstream up again.\n")
    assert alive(family) == set()


def test_no_process_outlives_a_killed_run(up: Callable[..., UpProcess]) -> None:
    run = up("--json")
    run.until_event("alert")
    family = run.family()
    run.process.kill()
    run.process.wait()
    deadline = time.monotonic() + WAIT_S
    while left := alive(family):
        assert time.monotonic() < deadline, f"still there: {[_command(pid) for pid in left]}"
        time.sleep(0.05)


def test_a_closed_stdout_ends_the_run_in_order(up: Callable[..., UpProcess]) -> None:
    run = up("--plain")
    assert run.process.stdout is not None
    run.process.stdout.readline()
    family = run.family()
    run.process.stdout.close()
    assert run.process.wait(WAIT_S) == 1
    assert run.errors() == ""
    assert alive(family) == set()


def test_two_runs_share_no_server(up: Callable[..., UpProcess]) -> None:
    runs = [up("--json"), up("--json")]
    addresses = set()
    for run in runs:
        endpoints = run.until_event("endpoints")
        addresses |= {endpoints["broker"], endpoints["redis"]}
    assert len(addresses) == 4
    for run in runs:
        run.until_event("alert")
        run.ask_to_stop()
        assert run.rest() == (0, "")


def test_every_payment_of_a_file_is_decided(up: Callable[..., UpProcess], tmp_path: Path) -> None:
    rows = ["TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD"]
    rows += [f"{n},2018-04-01 00:{n // 60:02d}:{n % 60:02d},{n % 7},{n % 3},{n}.50,0" for n in range(1, 501)]
    file = tmp_path / "payments.csv"
    file.write_text("\n".join(rows) + "\n")
    run = up("--json", "--payments", str(file), "--mapping", "handbook")
    run.until(lambda event: event["event"] == "phase" and event["phase"].startswith("all 500 payments are decided"))
    run.ask_to_stop()
    assert run.rest() == (0, "")
    assert (run.events[-1]["payments"], run.events[-1]["decisions"]) == (500, 500)


@pytest.mark.kafka
def test_a_run_on_apache_kafka_decides_in_transactions_and_stops_it_at_the_end(up: Callable[..., UpProcess]) -> None:
    run = up("--json", "--broker", "kafka", "--for", "5")
    endpoints = run.until_event("endpoints")
    assert endpoints["Apache Kafka"] == "a demo, not for production"
    run.until_event("alert")
    family = run.family()
    code, err = run.rest()
    said = [line for line in err.splitlines() if not line.startswith("fetching Apache Kafka")]
    assert (code, said) == (0, [])
    totals = run.events[-1]
    assert totals["payments"] == totals["decisions"] > 0
    assert totals["alerts"] >= totals["cases"] > 0
    assert alive(family) == set()
    assert list(run.scratch.iterdir()) == []


def test_a_machine_without_java_is_told_what_apache_kafka_needs(tmp_path: Path) -> None:
    for tool in ("dirname", "mkdir"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    done = subprocess.run(
        [sys.executable, "-m", "fraudstream.cli.main", "up", "--broker", "kafka"],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "fraudstream: --broker kafka: Apache Kafka cannot run here. It needs Java 17 or later: apt-get install "
        "openjdk-17-jre-headless\n"
    )


def test_invalid_rules_are_reported_before_a_worker_starts(up: Callable[..., UpProcess], tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "features.yaml").write_text("version: 1\nentities: []\n")
    run = up("--json", "--rules", str(rules))
    code, err = run.rest()
    assert code == 1
    assert "features.yaml:2" in err


async def first_case(broker: str) -> Case:
    """The first record of the topic `cases`."""
    async with AIOKafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False, fetch_max_wait_ms=5) as consumer:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition("cases", n) for n in sorted(consumer.partitions_for_topic("cases") or ())]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        record = await consumer.getone()
        return msgspec.json.decode(record.value or b"", type=Case)


def alive(family: set[int]) -> set[int]:
    """The processes that still run; a zombie does not count."""
    return {pid for pid in family if _stat(pid) not in (None, "Z")}


def listening_addresses(family: set[int]) -> set[str]:
    """The addresses on which these processes listen, over IPv4 and IPv6."""
    sockets = set()
    for pid in family:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            link = os.readlink(descriptor) if descriptor.is_symlink() else ""
            if link.startswith("socket:["):
                sockets.add(link[8:-1])
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            local, state, inode = (line.split()[column] for column in (1, 3, 9))
            if state == LISTENING and inode in sockets:
                address = bytes.fromhex(local.partition(":")[0])
                found.add(".".join(map(str, reversed(address))) if len(address) == 4 else address.hex())
    return found


def _parents() -> dict[int, int]:
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and (fields := _fields(int(directory.name))):
            found[int(directory.name)] = int(fields[1])
    return found


def _fields(pid: int) -> list[str]:
    """Of /proc/pid/stat, from the state on; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _stat(pid: int) -> str | None:
    fields = _fields(pid)
    return fields[0] if fields else None


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
