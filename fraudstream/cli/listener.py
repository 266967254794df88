"""The listening socket of a web server."""

from __future__ import annotations

import socket
from typing import Final, Literal

from fraudstream.cli.failure import Failure
from fraudstream.contracts.error_text import system_error_text

BACKLOG: Final = 256  # connections that wait to be accepted


def listener_at(host: str, port: int, server: Literal["console", "gateway"]) -> socket.socket:
    """A listening socket. Port 0 takes any free one. `server`: whose it is. Raises `Failure`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: asyncio sends small packets at once only for sockets that state it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Failure(
            f"the {server} cannot listen at {host}:{port}: {system_error_text(error)}. Set {server}.port; 0 takes "
            "any free one."
        ) from error
    return listener
