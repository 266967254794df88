"""Apache Kafka for one run of `fraudstream up`: one broker on loopback, started by `deploy/kafka/kafka.sh`.

It needs Java and, the first time, Maven. Its data are removed with the run; the jars are kept for the next one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import fraudstream
from fraudstream.cli.failure import Failure
from fraudstream.embedded.broker import is_cluster
from fraudstream.embedded.server import LOOPBACK, EmbeddedError, serving

REPOSITORY: Final = Path(fraudstream.__file__).parents[1]
SCRIPT: Final = REPOSITORY / "deploy" / "kafka" / "kafka.sh"
START_S_MAX: Final = 120.0
CLUSTER_ID_BYTES: Final = 16


@contextlib.contextmanager
def apache_kafka(scratch: Path) -> Iterator[str]:
    """Run the broker until the block ends; yields "127.0.0.1:port". `scratch`: directory for its data.

    Raises `Failure` if something that it needs is missing, or if it does not start.
    """
    environment = _environment(scratch)
    _fetch(environment)
    cluster_id = environment["KAFKA_CLUSTER_ID"]

    def command(port: int) -> list[str]:
        return ["/bin/bash", str(SCRIPT), "run", str(port)]

    def probe(connection: socket.socket) -> bool:
        return is_cluster(connection, cluster_id)

    with contextlib.ExitStack() as stack:
        try:
            started = serving("Apache Kafka", command, probe, environment=environment, start_s_max=START_S_MAX)
            port = stack.enter_context(started)
        except EmbeddedError as error:
            raise Failure(str(error)) from error
        yield f"{LOOPBACK}:{port}"


def _environment(scratch: Path) -> dict[str, str]:
    """What the script gets: where the data and the jars are, and an id by which the broker is recognised."""
    libs = os.environ.get("KAFKA_LIBS_DIR") or str(REPOSITORY / ".kafka" / "libs")
    cluster_id = urlsafe_b64encode(secrets.token_bytes(CLUSTER_ID_BYTES)).decode().rstrip("=").replace("-", "A")
    return dict(os.environ) | {
        "KAFKA_HOME_DIR": str(scratch / "kafka"),
        "KAFKA_LIBS_DIR": libs,
        "KAFKA_CLUSTER_ID": cluster_id,
    }


def _fetch(environment: dict[str, str]) -> None:
    """Have Maven fetch the jars, the first time. Raises `Failure` with what is missing."""
    if not SCRIPT.is_file():
        raise Failure(f"--broker kafka needs a checkout of the repository: there is no {SCRIPT}.")
    if not Path(environment["KAFKA_LIBS_DIR"]).is_dir() and all(map(shutil.which, ("java", "mvn"))):
        print("fetching Apache Kafka with Maven (first run only, about 130 MB)", file=sys.stderr, flush=True)
    fetched = subprocess.run(
        ["/bin/bash", str(SCRIPT), "fetch"], env=environment, capture_output=True, text=True, check=False
    )
    if fetched.returncode != 0:
        reason = fetched.stderr.strip().removeprefix("kafka.sh: ")
        raise Failure(f"--broker kafka: Apache Kafka cannot run here. {reason or 'kafka.sh printed no reason'}")
