"""Shared by long-running commands: flags for the metrics port and the log, and serving the port."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.telemetry.cases import CasesTelemetry
    from fraudstream.telemetry.worker import WorkerTelemetry

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """`--metrics-host`, `--metrics-port`, `--json`."""
    add_setting(parser, "metrics.host", "--metrics-host")
    add_setting(parser, "metrics.port", "--metrics-port")
    parser.add_argument("--json", action="store_true", help="write the log as JSON lines")


@contextmanager
def metrics_served(settings: Settings, telemetry: WorkerTelemetry | CasesTelemetry) -> Iterator[None]:
    """`/metrics`, `/healthz` and `/readyz` until the block ends. Raises `Failure` where the port cannot be opened."""
    from fraudstream.telemetry import http

    host, port = settings.metrics.host, settings.metrics.port
    with ExitStack() as stack:
        try:
            url = stack.enter_context(
                http.serving(telemetry.registry, telemetry.healthy, telemetry.ready, host, port, telemetry.notes)
            )
        except OSError as error:
            raise Failure(
                f"metrics cannot be served at {host}:{port}: {error.strerror}. Set metrics.port; 0 takes any free one."
            ) from error
        log.info("metrics at %s/metrics", url)
        yield
