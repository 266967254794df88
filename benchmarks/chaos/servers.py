"""The servers beside the workers, as things that fail: a Kafka broker keeps its data, a Redis does not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Final

from fraudstream.embedded import embedded_redis

KAFKA_SCRIPT: Final = Path(__file__).parents[2] / "deploy" / "kafka" / "kafka.sh"


class KafkaCluster:
    """The brokers that `deploy/kafka/kafka.sh start` left running under `home`; each by its number, 1, 2, 3."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.numbers = sorted(int(path.name.removeprefix("broker-")) for path in home.glob("broker-[123]"))
        if not self.numbers:
            raise RuntimeError(f"{home} is not where deploy/kafka/kafka.sh has started a broker: set KAFKA_HOME_DIR")

    def stop(self, number: int) -> None:
        """In good order: it hands over what it leads. Returns when it is gone."""
        self._script("stop-broker", number)

    def kill(self, number: int) -> None:
        self._script("kill-broker", number)

    def start(self, number: int) -> None:
        """Start it again on what it holds; returns when it serves."""
        self._script("start-broker", number)

    def pause(self, number: int) -> None:
        os.kill(self._pid(number), signal.SIGSTOP)

    def resume(self, number: int) -> None:
        os.kill(self._pid(number), signal.SIGCONT)

    def _pid(self, number: int) -> int:
        return int((self._home / f"broker-{number}" / "pid").read_text())

    def _script(self, action: str, number: int) -> None:
        environment = os.environ | {"KAFKA_HOME_DIR": str(self._home)}
        done = subprocess.run(
            [KAFKA_SCRIPT, action, str(number)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the broker inherits it: a pipe would not end with the script
            start_new_session=True,
        )
        if done.returncode:
            raise RuntimeError(f"kafka.sh {action} {number} failed: see {self._home}/broker-{number}/log")


class RedisServer:
    """An embedded Redis on one port. Nothing is written to disk: what was in it is gone when it ends."""

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self.url = self._running.enter_context(embedded_redis())
        self._port = int(self.url.rpartition("/")[0].rpartition(":")[2])

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        """Start it again, empty, on its port."""
        self._running.enter_context(embedded_redis(self._port))

    def end(self) -> None:
        """From now on connections are refused."""
        self._running.close()
