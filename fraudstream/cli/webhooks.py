"""`fraudstream webhooks`: tell other systems by HTTP what became of cases; check the file, try an endpoint."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import time
from typing import TYPE_CHECKING

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import now_ms
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.webhooks.endpoints import SignedEndpoint
    from fraudstream.webhooks.follower import FollowerSettings

_EXAMPLE = argparse.RawDescriptionHelpFormatter
log = logging.getLogger(__name__)


def add_parser(subparsers: Subparsers) -> None:
    """Add `webhooks`, and its actions `check` and `try`."""
    parser = subparsers.add_parser(
        "webhooks",
        help="tell other systems by HTTP what became of cases, and of alerts",
        description=(
            "Without an action: posts signed events to the endpoints of the file until SIGTERM or Ctrl-C. Each "
            "endpoint has a consumer group of its own and is retried by itself. Exit codes: 0 stopped, 1 could not "
            "start, 70 failed (start it again), 78 the file cannot be used."
        ),
        epilog=(
            "example:\n"
            "  fraudstream webhooks --file webhooks.yaml --bootstrap-servers kafka-1:9092\n"
            "  fraudstream webhooks try case-tool --file webhooks.yaml"
        ),
        formatter_class=_EXAMPLE,
    )
    add_setting(parser, "webhooks.file")
    add_setting(parser, "kafka.bootstrap_servers")
    metrics_port.add_flags(parser, "metrics.webhooks_port")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    check = actions.add_parser(
        "check",
        help="read the file and the secrets, and send nothing",
        epilog="example:\n  fraudstream webhooks check --file webhooks.yaml",
        formatter_class=_EXAMPLE,
    )
    attempt = actions.add_parser(
        "try",
        help="send one endpoint an event of the type `test`",
        description="Sends one signed event of the type `test`, once. Exit code 1 if the endpoint does not take it.",
        epilog="example:\n  fraudstream webhooks try case-tool --file webhooks.yaml",
        formatter_class=_EXAMPLE,
    )
    attempt.add_argument("name", metavar="ENDPOINT")
    for action in (check, attempt):
        action.add_argument(
            "--file", dest="webhooks.file", metavar="FILE", default=argparse.SUPPRESS, help="(setting webhooks.file)"
        )
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the webhooks, or one action. Raises `Failure`."""
    endpoints = _endpoints(settings)
    match args.action:
        case None:
            return _serve(settings, endpoints, as_json=args.json)
        case "check":
            shown = [(each.endpoint.name, each.endpoint.url, each.endpoint.events) for each in endpoints]
            if args.json:
                print(json.dumps([{"name": name, "url": url, "events": events} for name, url, events in shown]))
            else:
                print("\n".join(f"{name}  {url}  {' '.join(events)}" for name, url, events in shown))
            return exit_codes.DONE
        case _:
            return _try(settings, endpoints, args.name, as_json=args.json)


def follower_settings(settings: Settings) -> FollowerSettings:
    """The settings of the followers. Those that describe the broker are in the section `worker`."""
    from fraudstream.stream.settings import FETCH_WAIT_MS
    from fraudstream.webhooks.follower import FollowerSettings

    return FollowerSettings(
        brokers=settings.kafka.brokers(),
        group=settings.webhooks.group,
        cases_topic=settings.topics.cases,
        alerts_topic=settings.topics.alerts,
        committed_only=settings.worker.checkpoint_mode == "transaction",
        fetch_wait_ms=settings.worker.fetch_wait_ms or FETCH_WAIT_MS,
        session_timeout_s=settings.worker.session_timeout_s,
    )


def _endpoints(settings: Settings) -> list[SignedEndpoint]:
    from fraudstream.webhooks.endpoints import EndpointsError, read_endpoints

    try:
        return read_endpoints(settings.webhooks.path())
    except EndpointsError as error:
        raise Failure(f"webhooks.file: {error}", exit_codes.REFUSED) from error


def _serve(settings: Settings, endpoints: list[SignedEndpoint], *, as_json: bool) -> int:
    from prometheus_client import CollectorRegistry

    from fraudstream.telemetry.logs import set_up_logs
    from fraudstream.telemetry.webhooks import WebhookTelemetry
    from fraudstream.webhooks.process import run_webhooks

    set_up_logs(settings.log.level, "json" if as_json else "human")
    names = [each.endpoint.name for each in endpoints]
    telemetry = WebhookTelemetry(CollectorRegistry(), version=__version__, endpoints=names)

    async def serve() -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        log.info("webhooks to %s", ", ".join(names))
        await run_webhooks(
            follower_settings(settings),
            endpoints,
            settings.topics.dead_letters,
            telemetry,
            stopping,
            timeout_s=settings.webhooks.timeout_s,
            retry_for_ms=settings.webhooks.retry_for_ms,
            now_ms=now_ms,
        )

    with metrics_port.metrics_served(settings, "metrics.webhooks_port", telemetry):
        try:
            asyncio.run(serve())
        except ExceptionGroup:
            log.exception("webhooks have failed")
            return exit_codes.RESTART
    return exit_codes.DONE


def _try(settings: Settings, endpoints: list[SignedEndpoint], name: str, *, as_json: bool) -> int:
    from fraudstream.contracts.timestamps import utc_text
    from fraudstream.webhooks.sender import Delivered, Failed, Outcome, Sender

    signed = next((each for each in endpoints if each.endpoint.name == name), None)
    if signed is None:
        known = ", ".join(each.endpoint.name for each in endpoints)
        raise Failure(f"{settings.webhooks.file} has no endpoint {name}. It has: {known}.")
    sender, at_ms = Sender(signed, settings.webhooks.timeout_s), now_ms()
    body = json.dumps({"type": "test", "timestamp": utc_text(at_ms, "milliseconds"), "data": {}}).encode()

    async def send() -> Outcome:
        try:
            return await sender.send(f"test.{at_ms}", body)
        finally:
            await sender.close()

    started_s = time.monotonic()
    outcome = asyncio.run(send())
    match outcome:
        case Delivered(status):
            told = f"HTTP {status}"
        case Failed(sentence):
            told = sentence
        case _:
            told = "HTTP 410"
    milliseconds = round((time.monotonic() - started_s) * 1000)
    is_delivered = isinstance(outcome, Delivered)
    if as_json:
        print(json.dumps({"endpoint": name, "delivered": is_delivered, "answer": told, "ms": milliseconds}))
    else:
        print(f"{name}: {'delivered' if is_delivered else 'not delivered'}: {told}, {milliseconds} ms")
    return exit_codes.DONE if is_delivered else exit_codes.FAILED
