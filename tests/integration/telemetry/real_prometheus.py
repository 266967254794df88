"""A real Prometheus on a free port, with the alert rules of deploy/prometheus, that scrapes the targets of a test."""

import contextlib
import json
import shutil
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fraudstream.embedded.server import serving

ALERTS = Path(__file__).parents[3] / "deploy" / "prometheus" / "alerts.yml"
SCRAPE_INTERVAL = "200ms"
WAIT_S = 90.0

PROGRAM = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(PROGRAM is None, reason="needs Prometheus (Debian: apt-get install prometheus)")


class Prometheus:
    """A running Prometheus. `url`: of its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of the answer to GET `path`."""
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        result: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return result

    def query_until_answered(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query, repeated until it is not empty. Fails after `WAIT_S`."""
        deadline = time.monotonic() + WAIT_S
        while not (result := self.query(expression)):
            assert time.monotonic() < deadline, f"no answer within {WAIT_S} s: {expression}"
            time.sleep(0.1)
        return result


@contextlib.contextmanager
def scraping(targets: Mapping[str, str], directory: Path) -> Iterator[Prometheus]:
    """Run Prometheus until the block ends. `targets`: base URL by job; each has been scraped at least once."""
    config = {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [url.removeprefix("http://")]}]}
            for job, url in targets.items()
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))

    def command(port: int) -> list[str]:
        return [
            str(PROGRAM),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]

    with serving("prometheus", command, _is_ready) as port:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        for job in targets:
            prometheus.query_until_answered(f'up{{job="{job}"}} == 1')
        yield prometheus


def _is_ready(connection: socket.socket) -> bool:
    connection.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
    return connection.recv(64).split(b" ")[1:2] == [b"200"]
