"""Puts a gateway together and serves it until a signal; requests that were taken before are answered."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import uvicorn

from fraudstream.gateway.access.authentication import Authentication
from fraudstream.gateway.access.bearer_tokens import BearerTokens, ProviderSettings
from fraudstream.gateway.access.rate_limits import RateLimits
from fraudstream.gateway.decider import Decider, ObservesDecisions
from fraudstream.gateway.fallback import FallbackRules
from fraudstream.gateway.publish_traces import PublishTraces
from fraudstream.gateway.publisher import PaymentPublisher, compile_publishing
from fraudstream.gateway.settings import GatewaySettings
from fraudstream.gateway.topics import KafkaPayments, ObservesBrokers, ReplyReader
from fraudstream.gateway.web.app import Gateway, ObservesRequests, create_app
from fraudstream.gateway.web.connection import Connection
from fraudstream.openid.fetching import fetch_url
from fraudstream.tracing.ports import UNTRACED, Tracer

KEEP_ALIVE_S: Final = 75  # above that of the usual load balancers, which reuse connections for 60 s
STOP_S_MAX: Final = 3.0


class Observer(ObservesDecisions, ObservesRequests, ObservesBrokers, Protocol):
    """What a gateway reports to."""

    def measure(self, *, in_flight: Callable[[], int], unready: Callable[[], str | None]) -> None:
        """Called once, with what tells how many payments wait, and why requests are not taken."""

    def outage_s(self) -> float:
        """For how long no broker has answered; 0 while they answer."""


async def serve(
    settings: GatewaySettings,
    *,
    fallback: FallbackRules,
    clients_file: Path | None,
    provider: ProviderSettings | None,
    listener: socket.socket,
    observer: Observer,
    on_serving: Callable[[int], None],
    tracer: Tracer = UNTRACED,
) -> None:
    """Serve on `listener` until SIGTERM or SIGINT. `on_serving`: called with the partition of the replies once requests
    are taken. `tracer`: of requests for decisions. Raises `ClientsError`, `NoTopicError`, `OSError`, `ssl.SSLError`,
    and one of `BROKER_ERRORS` if no broker answers at the start."""
    tokens = None if provider is None else BearerTokens(provider, fetch_url, time.time)
    authentication = Authentication(clients_file, tokens)
    async with KafkaPayments(settings.brokers, settings.payments_topic, observer) as payments:
        reader = ReplyReader(settings, lambda correlation, value: decider.on_reply(correlation, value))
        publisher = PaymentPublisher(
            payments,
            partitioner="murmur2" if settings.partitioner == "any" else settings.partitioner,
            replies_topic=settings.replies_topic,
            reply_partition=await reader.find_partition(),
            traces=PublishTraces(tracer, settings.payments_topic),
        )
        await payments.partitions()
        decider = Decider(settings=settings, publisher=publisher, fallback=fallback, observer=observer)
        gateway = Gateway(
            settings=settings,
            decider=decider,
            authentication=authentication,
            limits=RateLimits(time.monotonic),
            observer=observer,
            unready=lambda: None if reader.caught_up else "the replies of before the start are still being read",
            tracer=tracer,
        )
        observer.measure(in_flight=lambda: decider.in_flight, unready=gateway.unready)
        await asyncio.to_thread(compile_publishing)
        server = _Server(_config(gateway))
        await _run(server, listener, reader, publisher, authentication, lambda: on_serving(reader.partition))


async def _run(
    server: _Server,
    listener: socket.socket,
    reader: ReplyReader,
    publisher: PaymentPublisher,
    authentication: Authentication,
    on_serving: Callable[[], None],
) -> None:
    stopped = asyncio.Event()

    def stop(*_: object) -> None:
        server.should_exit = True
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    tasks = [asyncio.create_task(each) for each in (reader.run(), publisher.run())]
    for task in tasks:
        task.add_done_callback(stop)  # they only end by an unforeseen error
    following = asyncio.create_task(authentication.follow_file())
    try:
        waits = [asyncio.create_task(each) for each in (reader.wait_caught_up(), stopped.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not stopped.is_set():
            on_serving()
            await server.serve(sockets=[listener])
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in (*tasks, following):
            task.cancel()
        await asyncio.wait((*tasks, following), timeout=STOP_S_MAX)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would raise the signal again when it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: `serve` has handlers of its own."""
        yield


def _config(gateway: Gateway) -> uvicorn.Config:
    settings = gateway.settings
    return uvicorn.Config(
        create_app(gateway),
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.drain_s,
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
        ssl_ca_certs=settings.client_ca_file,
        ssl_cert_reqs=_certificates(settings),
    )


def _certificates(settings: GatewaySettings) -> int:
    if settings.client_ca_file is None:
        return ssl.CERT_NONE
    return ssl.CERT_REQUIRED if settings.require_client_certificate else ssl.CERT_OPTIONAL
