"""Decisions over HTTP at a steady rate: how long callers wait, and how many get none in time.

    python -m benchmarks.gateway --kafka 127.0.0.1:19092 --rates 1000 3000 --seconds 60
    python -m benchmarks.gateway --rates 500                       # on an embedded broker

A worker, `--gateways` gateways and the callers, one process each, on one machine. A request is due at a time of its own
and waits for a free connection if it must: its latency counts from when it was due, so that a stalled gateway is not
measured by fewer requests. The first `WARM_UP_S` seconds of each rate are left out. Prints a line of JSON for each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from benchmarks.contender import Worker, worker
from benchmarks.kafka import RULES
from benchmarks.payments import payments
from benchmarks.worker_environment import worker_environment
from fraudstream.cli.settings import Override, Settings, load_settings
from fraudstream.cli.wanted_topics import wanted_topics
from fraudstream.embedded.broker import embedded_broker
from fraudstream.operations.apply_topics import apply_topics

WARM_UP_S: Final = 5
CONNECTIONS_MAX: Final = 256  # to each gateway
READY_S_MAX: Final = 90.0
DRAIN_S: Final = 15.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
_ADDRESS: Final = re.compile(r"gateway at http://([0-9.]+):([0-9]+),")


class Process(NamedTuple):
    """A running gateway."""

    process: subprocess.Popen[bytes]
    host: str
    port: int

    def cpu_s(self) -> float:
        """CPU time used so far."""
        return cpu_s_of(self.process.pid)


def cpu_s_of(pid: int) -> float:
    """CPU time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Run the measurements of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", metavar="HOST:PORT", help="without it, an embedded broker")
    parser.add_argument("--rules", choices=RULES, default="shipped")
    parser.add_argument("--rates", nargs="+", type=int, default=[1_000], help="payments a second, one run each")
    parser.add_argument("--seconds", type=int, default=60, help="of each run, after the warm-up")
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--deadline-ms", type=int, default=1_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    args = parser.parse_args()
    with ExitStack() as stack:
        servers = args.kafka or stack.enter_context(embedded_broker())
        settings = _settings(servers, args.rules, is_kafka=args.kafka is not None)
        asyncio.run(apply_topics(settings.kafka.brokers(), wanted_topics(settings)))
        running = stack.enter_context(worker(servers, worker_environment(settings)))
        _until_ready(running)
        gateways = [stack.enter_context(_gateway(settings, number)) for number in range(args.gateways)]
        begin = 0
        for rate in args.rates:
            count = rate * (args.seconds + WARM_UP_S)
            bodies = _bodies(RULES[args.rules][1], begin, count, args.accounts)
            begin += count
            before = [cpu_s_of(running.process.pid), *(each.cpu_s() for each in gateways), time.process_time()]
            found = _run(gateways, bodies, rate, args.deadline_ms)
            after = [cpu_s_of(running.process.pid), *(each.cpu_s() for each in gateways), time.process_time()]
            spent = [round((late - early) / count * 1e6) for early, late in zip(before, after, strict=True)]
            cpu = {"worker": spent[0], "gateways": sum(spent[1:-1]), "callers": spent[-1]}
            print(json.dumps({"rules": args.rules, "rate": rate, **found, "cpu_us": cpu}), flush=True)


def _run(gateways: Sequence[Process], bodies: Sequence[bytes], rate: int, deadline_ms: int) -> dict[str, object]:
    """Latencies in ms, and the outcomes, after the warm-up."""
    try:
        import uvloop
    except ImportError:
        latency_ms, outcomes = asyncio.run(_send_all(gateways, bodies, rate, deadline_ms))
    else:
        latency_ms, outcomes = uvloop.run(_send_all(gateways, bodies, rate, deadline_ms))
    skipped = rate * WARM_UP_S
    measured = latency_ms[skipped:]
    quantiles = {f"p{q:g}": round(float(np.percentile(measured, q)), 1) for q in (50, 90, 99, 99.9)}
    counted = Counter(outcomes[skipped:])
    return {
        "requests": len(measured),
        **quantiles,
        "max": round(float(measured.max()), 1),
        "timeouts": counted.pop("timeout", 0),
        "unanswered": counted.pop("", 0),
        "outcomes": dict(counted),
    }


async def _send_all(
    gateways: Sequence[Process], bodies: Sequence[bytes], rate: int, deadline_ms: int
) -> tuple[np.ndarray, list[str]]:
    latency_ms, outcomes = np.full(len(bodies), np.inf), [""] * len(bodies)
    left = asyncio.Event()
    answered = 0

    def on_answer(number: int, due_s: float, outcome: str) -> None:
        nonlocal answered
        latency_ms[number] = (time.perf_counter() - due_s) * 1000
        outcomes[number] = outcome
        answered += 1
        if answered == len(bodies):
            left.set()

    pools = [_Pool(gateway, deadline_ms, on_answer) for gateway in gateways]
    began_s = time.perf_counter()
    sent = 0
    while sent < len(bodies):
        due = min(len(bodies), int((time.perf_counter() - began_s) * rate) + 1)
        for number in range(sent, due):
            pools[number % len(pools)].send(number, began_s + number / rate, bodies[number])
        sent = due
        await asyncio.sleep(max(0.0, began_s + sent / rate - time.perf_counter()))
    try:
        async with asyncio.timeout(DRAIN_S):
            await left.wait()
    except TimeoutError:
        pass
    for pool in pools:
        pool.close()
    return latency_ms, outcomes


class _Pool:
    """Connections to one gateway that are kept open."""

    def __init__(self, gateway: Process, deadline_ms: int, on_answer: object) -> None:
        self._gateway, self.on_answer = gateway, on_answer
        self.head = (
            f"POST /v1/decisions HTTP/1.1\r\nHost: {gateway.host}:{gateway.port}\r\n"
            f"Content-Type: application/json\r\nDeadline-Ms: {deadline_ms}\r\nContent-Length: "
        ).encode()
        self._free: list[_Connection] = []
        self._waiting: deque[tuple[int, float, bytes]] = deque()
        self._connections: list[_Connection] = []
        self._opened = 0

    def send(self, number: int, due_s: float, body: bytes) -> None:
        """Send a request on a free connection, or when one is."""
        if self._free:
            self._free.pop().send(number, due_s, body)
            return
        self._waiting.append((number, due_s, body))
        if self._opened < CONNECTIONS_MAX:
            self._opened += 1
            task = asyncio.ensure_future(self._open())
            task.add_done_callback(lambda done: done.exception())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(
            lambda: _Connection(self), self._gateway.host, self._gateway.port
        )
        connection.transport = transport
        self._connections.append(connection)
        self.release(connection)

    def release(self, connection: _Connection) -> None:
        """A connection has been answered."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.transport.close()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._received = b""
        self._request = (0, 0.0)
        self.transport: asyncio.Transport

    def send(self, number: int, due_s: float, body: bytes) -> None:
        """Send a request."""
        self._request = (number, due_s)
        self.transport.write(self._pool.head + b"%d\r\n\r\n%b" % (len(body), body))

    def data_received(self, data: bytes) -> None:
        """Read an answer, once it is whole."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = body[length:]
        status = head[9:12].decode()
        found = msgspec.json.decode(body[:length]) if status == "200" else {}
        outcome = str(found.get("outcome", f"HTTP {status}"))
        self._pool.on_answer(*self._request, outcome)  # type: ignore[operator]
        self._pool.release(self)


def _bodies(load: str, begin: int, count: int, accounts: int) -> list[bytes]:
    """The payments from number `begin` on."""
    encode = msgspec.json.Encoder().encode
    return [
        encode(payment) for number, payment in enumerate(payments(load, begin + count, accounts)) if number >= begin
    ]


def _settings(servers: str, rules: str, *, is_kafka: bool) -> Settings:
    """Settings with topics and a group that are unique to the run."""
    run = f"bench-{secrets.token_hex(4)}"
    given = {
        "kafka.bootstrap_servers": servers,
        "rules.directory": str(RULES[rules][0]),
        "topics.replication": 1,
        "worker.group": run,
        "worker.checkpoint_mode": "transaction" if is_kafka else "batch",
    }
    names = (
        *("payments", "labels", "decisions", "replies", "alerts", "dead_letters", "controls"),
        *("cases", "case_actions", "case_answers", "audit"),
    )
    given |= {f"topics.{topic}": f"{run}-{topic.replace('_', '-')}" for topic in names}
    return load_settings(None, {}, [Override(setting, value, "benchmark") for setting, value in given.items()])


def _until_ready(running: Worker) -> None:
    limit = time.monotonic() + READY_S_MAX
    while running.metrics().get("fraudstream_assigned_partitions") != 1:
        if running.process.poll() is not None or time.monotonic() > limit:
            raise RuntimeError("the worker did not become ready")
        time.sleep(0.2)


@contextmanager
def _gateway(settings: Settings, number: int) -> Iterator[Process]:
    """A gateway that serves."""
    given = {
        "kafka.bootstrap_servers": settings.kafka.bootstrap_servers,
        "topics.payments": settings.topics.payments,
        "topics.replies": settings.topics.replies,
        "gateway.port": "0",
        "gateway.instance": f"gateway-{number}",
        "gateway.in_flight_max": "20000",
        "metrics.gateway_port": "0",
    }
    flags = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    with tempfile.TemporaryFile() as log, nullcontext():
        command = [sys.executable, "-m", "fraudstream.cli.main", "gateway", *flags]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            limit = time.monotonic() + READY_S_MAX
            while True:
                log.seek(0)
                text = log.read().decode(errors="replace")
                if found := _ADDRESS.search(text):
                    break
                if process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(f"the gateway did not serve: {text}")
                time.sleep(0.2)
            yield Process(process, found[1], int(found[2]))
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
