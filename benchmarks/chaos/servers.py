"""The servers that faults affect: Kafka brokers, which keep their data, and Redis, which does not."""

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
    """The brokers that `deploy/kafka/kafka.sh start` started under `home`, numbered 1, 2, 3."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.numbers = sorted(int(path.name.removeprefix("broker-")) for path in home.glob("broker-[123]"))
        if not self.numbers:
            raise RuntimeError(f"{home} is not where deploy/kafka/kafka.sh has started a broker: set KAFKA_HOME_DIR")

    def stop(self, number: int) -> None:
        """Stop gracefully, moving leadership away. Returns when it has exited."""
        self._script("stop-broker", number)

    def kill(self, number: int) -> None:
        """Kill it with SIGKILL."""
        self._script("kill-broker", number)

    def start(self, number: int) -> None:
        """Start it with its data. Returns when it accepts requests."""
        self._script("start-broker", number)

    def pause(self, number: int) -> None:
        """Send SIGSTOP."""
        os.kill(self._pid(number), signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Send SIGCONT."""
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
    """An embedded Redis on a fixed port, without persistence: its data is lost when it stops."""

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self.url = self._running.enter_context(embedded_redis())
        self._port = int(self.url.rpartition("/")[0].rpartition(":")[2])

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        """Start it, empty, on the same port."""
        self._running.enter_context(embedded_redis(self._port))

    def end(self) -> None:
        """Stop it; connections are refused from now on."""
        self._running.close()
