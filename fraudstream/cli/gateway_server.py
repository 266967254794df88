"""The gateway as a process: its listener, its metrics, served until a signal."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.listener import listener_at
from fraudstream.cli.settings import Settings
from fraudstream.cli.tracing import tracing
from fraudstream.contracts.error_text import error_text
from fraudstream.supervision import exit_codes
from fraudstream.supervision.garbage_collection import keep_loaded_objects

if TYPE_CHECKING:
    from fraudstream.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)


def run_server(settings: Settings, *, as_json: bool) -> int:
    """Serve until SIGTERM or SIGINT. Raises `Failure`, `ClusterError`."""
    from aiokafka.errors import KafkaError
    from prometheus_client import CollectorRegistry

    from fraudstream.gateway.access.clients import ClientsError
    from fraudstream.gateway.server import serve
    from fraudstream.kafka.topic_reader import NoTopicError
    from fraudstream.operations.cluster_access import cluster_error
    from fraudstream.telemetry.gateway import GatewayTelemetry
    from fraudstream.telemetry.logs import set_up_logs

    set_up_logs(settings.log.level, "json" if as_json else "human")
    own = settings.gateway
    own.check()
    telemetry = GatewayTelemetry(CollectorRegistry(), version=__version__)
    with listener_at(own.host, own.port, "gateway") as listener:
        host, port = listener.getsockname()[:2]
        gateway = gateway_settings(settings, port)
        scheme = "https" if gateway.tls_certificate_file is not None else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

        def on_serving(partition: int) -> None:
            keep_loaded_objects()
            where = f"{gateway.replies_topic}-{partition}"
            log.info("gateway at %s, its replies in %s", address, where)

        with (
            metrics_port.metrics_served(settings, "metrics.gateway_port", telemetry),
            tracing(settings, "gateway", telemetry.spans) as tracer,
        ):
            try:
                _loop_run(
                    serve(
                        gateway,
                        fallback=own.fallback(),
                        clients_file=None if own.clients_file is None else Path(own.clients_file),
                        provider=own.provider(),
                        listener=listener,
                        observer=telemetry,
                        on_serving=on_serving,
                        tracer=tracer,
                    )
                )
            except ClientsError as error:
                raise Failure(f"gateway.clients_file: {error}") from error
            except NoTopicError as error:
                raise Failure(f"{error}: create it with `fraudstream topics apply`.") from error
            except ssl.SSLError as error:
                raise Failure(f"the gateway's certificate cannot be used: {error_text(error)}.") from error
            except (KafkaError, TimeoutError) as error:
                sentence = asyncio.run(cluster_error(settings.kafka.brokers(), error)).sentence
                raise Failure(f"the gateway has failed: {sentence}", exit_codes.RESTART) from error
            except OSError as error:
                raise Failure(f"the gateway has failed: {error_text(error)}.", exit_codes.RESTART) from error
    return exit_codes.DONE


def _loop_run(serving: Coroutine[Any, Any, None]) -> None:
    """Run in uvloop, where it is installed: it takes a third of the time."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


def gateway_settings(settings: Settings, port: int) -> GatewaySettings:
    """The settings of the gateway. `port`: that it listens at."""
    from fraudstream.gateway.settings import GatewaySettings

    own, topics = settings.gateway, settings.topics
    return GatewaySettings(
        brokers=settings.kafka.brokers(),
        instance=own.name(port),
        payments_topic=topics.payments,
        replies_topic=topics.replies,
        partitioner=settings.publishers.partitioner,
        host=own.host,
        port=port,
        tls_certificate_file=own.tls_certificate_file,
        tls_key_file=own.tls_key_file,
        client_ca_file=own.client_ca_file,
        require_client_certificate=own.require_client_certificate,
        deadline_ms=own.deadline_ms,
        deadline_ms_max=own.deadline_ms_max,
        in_flight_max=own.in_flight_max,
        body_bytes_max=own.body_bytes_max,
        batch_payments_max=own.batch_payments_max,
        kept_s=own.kept_minutes * 60,
        kept_max=own.kept_max,
        drain_s=own.drain_s,
    )
