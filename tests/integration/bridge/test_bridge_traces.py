"""The payments of a message belong to its trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from fraudstream.backtest.mapping import load_mapping
from fraudstream.bridge.bridge import Bridge
from fraudstream.bridge.conversion import MessageConverter
from fraudstream.bridge.settings import BridgeSettings
from fraudstream.tracing.context import TraceContext, context_of
from tests.brokers import SelectedBroker
from tests.integration.bridge.bank_topic import BankTopic
from tests.recorded_spans import CALLER, RecordingTracer

SEPA = Path(__file__).parents[2] / "unit" / "formats" / "samples" / "pacs.008.001.02-sepa.xml"


async def test_the_payments_of_a_message_refer_to_its_span(broker: str, unique_name: Callable[[str], str]) -> None:
    bank, tracer = BankTopic(SelectedBroker(broker, False), unique_name), RecordingTracer()
    await bank.create()
    malformed = [("traceparent", b"00-1-2-01")]
    async with AIOKafkaProducer(**bank.brokers.options()) as producer:
        for headers, body in ((list(CALLER.headers()), SEPA.read_bytes()), (malformed, SEPA.read_bytes())):
            await producer.send_and_wait(bank.source, body, partition=0, headers=headers)
        await producer.send_and_wait(bank.source, b"<no", partition=0, headers=list(CALLER.headers()))
    settings = BridgeSettings(
        brokers=bank.brokers,
        source_topic=bank.source,
        group=bank.group,
        payments_topic=bank.payments,
        dead_letters_topic=bank.letters,
        transactional=False,
        fetch_wait_ms=5,
    )
    bridge = Bridge(settings, MessageConverter([load_mapping("pacs.008")]), tracer=tracer)
    await bridge.run(asyncio.Event(), once=True)
    good, bad = tracer.named(f"convert {bank.source}")
    assert (good.parent, good.kind, good.ended, good.error) == (CALLER, "consumer", 1, None)
    assert (bad.ended, bad.error) == (1, "format")
    assert await contexts(bank, 4) == {good.context: 2, None: 2}


async def contexts(bank: BankTopic, payments: int) -> dict[TraceContext | None, int]:
    """How many payments have each context."""
    found: dict[TraceContext | None, int] = {}
    consumer = AIOKafkaConsumer(bank.payments, **bank.brokers.options(), auto_offset_reset="earliest")
    async with asyncio.timeout(60), consumer:
        while sum(found.values()) < payments:
            record = await consumer.getone()
            context = context_of(record.headers)
            found[context] = found.get(context, 0) + 1
    return found
