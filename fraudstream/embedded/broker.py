"""The embedded broker: a Kafka broker in a process of its own (`kafka_server`) that keeps everything in RAM.

It has no transactions, no compaction and no retention: for demos and tests only.
"""

import contextlib
import logging
import os
import secrets
import socket
import struct
import sys
from collections.abc import Iterator

from fraudstream.embedded.server import LOOPBACK, serving

# A metadata request: API key, version, correlation id, no client id; no topics.
METADATA = struct.pack(">hhih", 3, 2, 1, -1) + struct.pack(">i", 0)
RESPONSE_BYTES_MAX = 65_536
SERVER = "fraudstream.embedded.kafka_server"
log = logging.getLogger(__name__)


@contextlib.contextmanager
def embedded_broker(port: int = 0) -> Iterator[str]:
    """Run the broker until the block ends; yields "127.0.0.1:port". `port` 0 takes a free one. Raises
    `EmbeddedError`."""
    cluster_id = f"fraudstream-{secrets.token_hex(8)}"
    # The interpreter's own path: the child has to find this package however it was installed.
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", SERVER, LOOPBACK, str(port), cluster_id]

    def probe(connection: socket.socket) -> bool:
        return is_cluster(connection, cluster_id)

    with serving("embedded broker", command, probe, port, environment=environment) as chosen:
        log.warning(
            "embedded broker: all data in RAM, no compaction, no transactions: for demos and tests, not for production"
        )
        yield f"{LOOPBACK}:{chosen}"


def is_cluster(connection: socket.socket, cluster_id: str) -> bool:
    """Whether a broker of the cluster is at the other end; asks it for its metadata. Raises `OSError`."""
    connection.sendall(struct.pack(">i", len(METADATA)) + METADATA)
    (length,) = struct.unpack(">i", _exactly(connection, 4))
    return 0 < length <= RESPONSE_BYTES_MAX and cluster_id.encode() in _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    """The next `count` bytes. Raises `ConnectionError` if the peer closes the connection first."""
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("the peer closed the connection")
        data += more
    return data
