"""A real collector of OpenTelemetry, which passes on the spans that it takes."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fraudstream.embedded.server import serving

VARIABLE = "FRAUDSTREAM_TEST_COLLECTOR"

# deploy/collector/collector.sh builds it.
PROGRAM = os.environ.get(VARIABLE) or shutil.which("otelcol-fraudstream")
needs_collector = pytest.mark.skipif(
    PROGRAM is None,
    reason=f"needs a collector of OpenTelemetry: deploy/collector/collector.sh builds one, or name it in {VARIABLE}",
)

_CONFIGURATION = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:%d
exporters:
  otlp_http:
    endpoint: %s
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [otlp_http]
"""


@contextmanager
def collecting(target: str, directory: Path) -> Iterator[str]:
    """A collector until the block ends, whose base URL is yielded. `target`: where it passes spans on to, by OTLP over
    HTTP. `directory`: for its configuration."""

    def command(port: int) -> list[str]:
        path = directory / f"collector-{port}.yaml"
        path.write_text(_CONFIGURATION % (port, target))
        return [str(PROGRAM), f"--config={path}"]

    with serving("collector", command, _is_ready, start_s_max=60.0) as port:
        yield f"http://127.0.0.1:{port}"


def _is_ready(connection: socket.socket) -> bool:
    """A collector takes POST alone."""
    connection.sendall(b"GET /v1/traces HTTP/1.0\r\n\r\n")
    return connection.recv(64).split(b" ")[1:2] == [b"405"]
