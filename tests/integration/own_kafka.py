"""An Apache Kafka broker for a single test, which can kill and restart it. The jars are those of `make kafka`."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "deploy" / "kafka" / "kafka.sh"


class OwnKafka:
    """A running broker. `address`: `host:port`."""

    def __init__(self, address: str, home: Path) -> None:
        self.address = address
        self._home = home

    def kill(self) -> None:
        """SIGKILL; its data stays."""
        self.run("kill-broker", "1")

    def restart(self) -> None:
        """Start it again; returns when it serves."""
        self.run("start-broker", "1")

    def run(self, *words: str) -> None:
        """Run deploy/kafka/kafka.sh on this broker."""
        environment = os.environ | {"KAFKA_HOME_DIR": str(self._home)}
        subprocess.run([SCRIPT, *words], check=True, env=environment, stdout=subprocess.DEVNULL)


@contextmanager
def own_kafka(home: Path) -> Iterator[OwnKafka]:
    """A broker that keeps all its files under `home`, stopped when the block ends."""
    fetched = Path(os.environ.get("KAFKA_HOME_DIR", REPOSITORY / ".kafka")) / "libs"
    if fetched.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        (home / "libs").symlink_to(fetched.resolve())
    port = free_ports(4)  # three for brokers, the last for the controller
    kafka = OwnKafka(f"127.0.0.1:{port}", home)
    kafka.run("start", str(port))
    try:
        yield kafka
    finally:
        kafka.run("stop")


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports on which nobody listens."""
    for _ in range(100):
        first = random.randrange(20_000, 30_000)
        try:
            for port in range(first, first + count):
                with socket.socket() as free:
                    free.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports in a row")
