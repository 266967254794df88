"""Shared by long-running commands: flags for the metrics port and the log, and serving the port."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.telemetry.backups import BackupTelemetry
    from fraudstream.telemetry.bridge import BridgeTelemetry
    from fraudstream.telemetry.cases import CasesTelemetry
    from fraudstream.telemetry.gateway import GatewayTelemetry
    from fraudstream.telemetry.history import HistoryTelemetry
    from fraudstream.telemetry.webhooks import WebhookTelemetry
    from fraudstream.telemetry.worker import WorkerTelemetry

# One for each kind of process, so that they share a host.
PortSetting = Literal[
    "metrics.port",
    "metrics.cases_port",
    "metrics.history_port",
    "metrics.bridge_port",
    "metrics.gateway_port",
    "metrics.webhooks_port",
    "metrics.backup_port",
]

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser, port_setting: PortSetting) -> None:
    """`--metrics-host`, `--metrics-port` for `port_setting`, `--log-level`, `--json`."""
    add_setting(parser, "metrics.host", "--metrics-host")
    add_setting(parser, port_setting, "--metrics-port")
    add_setting(parser, "log.level", "--log-level")
    parser.add_argument("--json", action="store_true", help="write the log as JSON lines")


@contextmanager
def metrics_served(
    settings: Settings,
    port_setting: PortSetting,
    telemetry: WorkerTelemetry
    | CasesTelemetry
    | HistoryTelemetry
    | BridgeTelemetry
    | GatewayTelemetry
    | WebhookTelemetry
    | BackupTelemetry,
) -> Iterator[None]:
    """`/metrics`, `/healthz` and `/readyz` until the block ends. Raises `Failure` where the port cannot be opened."""
    from fraudstream.telemetry import http

    host, port = settings.metrics.host, getattr(settings.metrics, port_setting.removeprefix("metrics."))
    with ExitStack() as stack:
        try:
            url = stack.enter_context(
                http.serving(telemetry.registry, telemetry.healthy, telemetry.ready, host, port, telemetry.notes)
            )
        except OSError as error:
            raise Failure(
                f"metrics cannot be served at {host}:{port}: {system_error_text(error)}. Set {port_setting}; "
                "0 takes any free one."
            ) from error
        log.info("metrics at %s/metrics", url)
        yield
