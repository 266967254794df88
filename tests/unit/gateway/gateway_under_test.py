"""A gateway in this process: its application on topics in memory, where a worker answers as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
from aiokafka.record.memory_records import MemoryRecords

from fraudstream.contracts import Decision, Payment
from fraudstream.gateway.access.authentication import Authentication
from fraudstream.gateway.access.bearer_tokens import BearerTokens
from fraudstream.gateway.access.rate_limits import RateLimits
from fraudstream.gateway.decider import Decider
from fraudstream.gateway.fallback import FallbackRules
from fraudstream.gateway.publish_traces import PublishTraces
from fraudstream.gateway.publisher import PaymentPublisher, compile_publishing
from fraudstream.gateway.settings import GatewaySettings
from fraudstream.gateway.web.app import Gateway, create_app
from fraudstream.kafka import Brokers
from fraudstream.kafka.linger import Linger
from fraudstream.kafka.record_batch.ready_batch import ReadyBatch
from fraudstream.kafka.record_batch.writer import WrittenRecords
from fraudstream.tracing.ports import UNTRACED, Tracer

URL = "http://gateway.test"
JSON = {"content-type": "application/json"}
PAYMENT: dict[str, Any] = {
    "event_id": "p-1",
    "occurred_at": "2026-01-05T09:30:00Z",
    "account_id": "acc-1",
    "amount": "12.50",
    "currency": "EUR",
    "direction": "debit",
}


def decision(payment: Payment, **fields: Any) -> bytes:
    """What a worker says about a payment."""
    found = Decision(payment.event_id, payment.account_id, 1_767_605_400_000, "allow", 0.01, "0123456789abcdef")
    return msgspec.json.encode(msgspec.structs.replace(found, **fields))


class PaymentsInMemory:
    """`PaymentsTopic`. `batches`: how many payments each had. `answer`: what the worker says about each payment, None
    for nothing. `gate`: closed, the brokers acknowledge nothing. `error`: that they answer."""

    def __init__(self) -> None:
        self.published: list[tuple[int, bytes, bytes, dict[str, bytes]]] = []  # partition, key, value, headers
        self.batches: list[int] = []
        self.answer: Callable[[Payment], bytes | None] = decision
        self.on_reply: Callable[[bytes, bytes], None] = lambda correlation, value: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.partition_count = 4

    async def partitions(self) -> int:
        return self.partition_count

    async def send_batch(self, batch: WrittenRecords, partition: int) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(batch.records)
        read = MemoryRecords(bytes(ReadyBatch(batch, "none")._build())).next_batch()
        assert read is not None
        for record in read:
            headers = dict(record.headers)
            self.published.append((partition, record.key, record.value, headers))
            payment = msgspec.json.decode(record.value, type=Payment)
            if (answer := self.answer(payment)) is not None:
                asyncio.get_running_loop().call_soon(self.on_reply, headers["kafka_correlationId"], answer)


class Recorder:
    """What the gateway reports."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.trace_ids: list[str | None] = []
        self.statuses: list[int] = []
        self.turned_away: list[tuple[str, str]] = []
        self.late = 0

    def on_answer(self, outcome: str, seconds: float, trace_id: str | None = None) -> None:
        self.answers.append(outcome)
        self.trace_ids.append(trace_id)

    def on_late_reply(self) -> None:
        self.late += 1

    def on_request(self, status: int) -> None:
        self.statuses.append(status)

    def on_turned_away(self, client: str, reason: str) -> None:
        self.turned_away.append((client, reason))


class GatewayUnderTest:
    """An asynchronous context manager. `client`: sends requests to it. `certificate`: subject of the connection's."""

    def __init__(
        self,
        *,
        clients: Path | None = None,
        tokens: BearerTokens | None = None,
        fallback: FallbackRules | None = None,
        certificate: str | None = None,
        tracer: Tracer = UNTRACED,
        linger: Linger | None = None,
        **settings: Any,
    ) -> None:
        given: dict[str, Any] = {"brokers": Brokers("nowhere:1"), "instance": "gateway-3", **settings}
        self.settings = GatewaySettings(**given)
        compile_publishing()
        self.topic, self.observer = PaymentsInMemory(), Recorder()
        publisher = PaymentPublisher(
            self.topic,
            partitioner="murmur2",
            replies_topic="replies",
            reply_partition=3,
            traces=PublishTraces(tracer, "payments"),
            linger=linger,
        )
        self.decider = Decider(
            settings=self.settings, publisher=publisher, fallback=fallback or FallbackRules(), observer=self.observer
        )
        self.topic.on_reply = self.decider.on_reply
        self.authentication = Authentication(clients, tokens)
        self.unready: str | None = None
        self.now_s = 0.0
        app = create_app(
            Gateway(
                settings=self.settings,
                decider=self.decider,
                authentication=self.authentication,
                limits=RateLimits(lambda: self.now_s),
                observer=self.observer,
                unready=lambda: self.unready,
                tracer=tracer,
            )
        )

        async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
            state = {} if certificate is None else {"certificate": certificate}
            await app({**scope, "state": state}, receive, send)

        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(with_certificate), base_url=URL)
        self._publisher = publisher

    async def __aenter__(self) -> GatewayUnderTest:
        self._running = asyncio.create_task(self._publisher.run())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        await self.client.aclose()

    async def post(self, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST /v1/decisions. `body`: bytes, or what is to be JSON."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = [(name.encode(), value.encode()) for name, value in {**JSON, **(headers or {})}.items()]
        return await self.client.post("/v1/decisions", content=content, headers=sent)

    async def get(self, event_id: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """GET /v1/decisions/{event_id}."""
        return await self.client.get(f"/v1/decisions/{event_id}", headers=headers)
