"""The HTTP port of a process: `/metrics` for Prometheus, `/healthz` and `/readyz` for supervisors and load balancers.

It runs in a thread of its own, so that `/healthz` still answers when the event loop is blocked.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

LOOPBACK = "127.0.0.1"
REQUEST_TIMEOUT_S = 10.0

# None if all is well, else a sentence that names the fault.
Check = Callable[[], str | None]


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes


Page = Callable[[str], Answer]  # from the request's Accept header


@contextlib.contextmanager
def serving(
    registry: CollectorRegistry,
    healthy: Check,
    ready: Check,
    host: str = LOOPBACK,
    port: int = 0,
    notes: Check = lambda: None,
) -> Iterator[str]:
    """Serve until the block ends; yields the base URL, `http://host:port`. Port 0 takes a free one.

    `notes`: what `/readyz` says behind "ok", None for nothing.

    Raises `OSError` if the address is not available.
    """

    pages: dict[str, Page] = {
        "/metrics": lambda accept: _metrics(registry, accept),
        "/healthz": lambda _: _state(healthy),
        "/readyz": lambda _: _state(ready, notes),
    }
    server = _Server((host, port), functools.partial(_Handler, pages))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="telemetry", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a slow scraper must not delay the exit of the process
    block_on_close = False


def _metrics(registry: CollectorRegistry, accept: str) -> Answer:
    encode, content_type = choose_encoder(accept)
    return Answer(200, content_type, encode(registry))


def _state(check: Check, notes: Check = lambda: None) -> Answer:
    if fault := check():
        return _text(503, fault)
    noted = notes()
    return _text(200, f"ok, but {noted}" if noted else "ok")


def _text(status: int, sentence: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_S
    server_version = "fraudstream"
    sys_version = ""

    def __init__(self, pages: dict[str, Page], *connection: Any) -> None:
        self._pages = pages
        super().__init__(*connection)  # answers the request before it returns

    def do_GET(self) -> None:
        """Answer a GET or HEAD request."""
        page = self._pages.get(urlsplit(self.path).path)
        answer = (
            page(self.headers.get("Accept", ""))
            if page
            else _text(404, f"no such page; pages: {', '.join(self._pages)}")
        )
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: there is a scrape every few seconds."""
