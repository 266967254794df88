"""The bridge as a process: until a signal, or with `--once` until all is done."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.format_services import format_services
from fraudstream.cli.settings import Settings
from fraudstream.cli.tracing import tracing
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.backtest.mapping import Mapping
    from fraudstream.bridge.bridge import Bridge
    from fraudstream.bridge.settings import BridgeSettings

log = logging.getLogger(__name__)


def bridge_settings(settings: Settings, *, letter_values: bool = True) -> BridgeSettings:
    """The settings of the bridge. Those that describe the broker are in the section `worker`."""
    from fraudstream.bridge.settings import BridgeSettings
    from fraudstream.stream.settings import FETCH_WAIT_MS

    assert settings.bridge.source_topic is not None
    return BridgeSettings(
        brokers=settings.kafka.brokers(),
        source_topic=settings.bridge.source_topic,
        group=settings.bridge.group,
        payments_topic=settings.topics.payments,
        dead_letters_topic=settings.topics.dead_letters,
        transactional=settings.worker.checkpoint_mode == "transaction",
        partitioner=settings.publishers.partitioner,
        codec=settings.compression.payments,
        fetch_wait_ms=settings.worker.fetch_wait_ms or FETCH_WAIT_MS,
        session_timeout_s=settings.worker.session_timeout_s,
        letter_values=letter_values,
    )


def run_bridge(settings: Settings, mappings: Sequence[Mapping], *, once: bool, as_json: bool) -> int:
    """Run until SIGTERM or SIGINT, or with `once` up to the end of the topic. Raises `Failure`."""
    from prometheus_client import CollectorRegistry

    from fraudstream.bridge.bridge import Bridge
    from fraudstream.bridge.conversion import MessageConverter
    from fraudstream.contracts.dead_letter import ReasonCode
    from fraudstream.telemetry.bridge import BridgeTelemetry
    from fraudstream.telemetry.logs import set_up_logs

    set_up_logs(settings.log.level, "json" if as_json else "human")
    try:
        converter = MessageConverter(mappings, format_services(settings, settings.bridge.source_topic))
    except ValueError as error:
        raise Failure(str(error), exit_codes.REFUSED) from error
    if "avro" in converter.formats and settings.registry.url is None:
        raise Failure("messages of Avro need their schemas: set registry.url.", exit_codes.REFUSED)
    holds_cards = "iso8583" in converter.formats and settings.cards.numbers != "clear"
    bridge = bridge_settings(settings, letter_values=not holds_cards)
    telemetry = BridgeTelemetry(CollectorRegistry(), version=__version__, reasons=get_args(ReasonCode))
    log.info("turning %s of %s into payments on %s", ", ".join(converter.formats), bridge.source_topic, bridge.brokers)
    with (
        metrics_port.metrics_served(settings, "metrics.bridge_port", telemetry),
        tracing(settings, "bridge", telemetry.spans) as tracer,
    ):
        asyncio.run(_serve(Bridge(bridge, converter, telemetry, tracer), once))
    return exit_codes.DONE


async def _serve(bridge: Bridge, once: bool) -> None:
    from fraudstream.bridge.failure import BridgeError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the bridge says what went wrong in one sentence
    stopping = asyncio.Event()
    for number in () if once else (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await bridge.run(stopping, once=once)
    except BridgeError as error:
        raise Failure(error.sentence, exit_codes.REFUSED if error.permanent else exit_codes.RESTART) from error
