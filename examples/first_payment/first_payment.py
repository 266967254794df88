"""Publishes one payment and prints its decision: python first_payment.py HOST:PORT [AMOUNT] [EVENT_ID]

A real payment system has a producer and a consumer that run for days: the consumer then knows where to go on. Here it
begins at the end of `decisions`, before the payment is published, and stops after its decision.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

DECISION_DEADLINE_S = 30.0


async def decided(servers: str, payment: dict[str, str | int]) -> dict[str, object]:
    """Publish the payment and wait for its decision. Raises `TimeoutError`."""
    async with (
        AIOKafkaConsumer("decisions", bootstrap_servers=servers) as consumer,
        AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer,
    ):
        await consumer.seek_to_end()
        # Keyed by the account: its payments are in one partition, in order.
        await producer.send_and_wait("payments", json.dumps(payment).encode(), key=str(payment["account_id"]).encode())
        async with asyncio.timeout(DECISION_DEADLINE_S):
            async for record in consumer:
                decision: dict[str, object] = json.loads(record.value)
                if decision.get("event_id") == payment["event_id"]:
                    return decision
    raise AssertionError("the consumer ended without an error")


def main() -> None:
    """Publish a transfer of the account acct-7."""
    servers, amount, event_id = (*sys.argv[1:], *("120.50", f"p-{uuid.uuid4()}")[len(sys.argv) - 2 :])
    payment: dict[str, str | int] = {
        "event_id": event_id,  # unique for ever: a repeat gets the first decision again
        "occurred_at": int(time.time() * 1000),
        "account_id": "acct-7",
        "amount": amount,  # a decimal string in major units
        "currency": "EUR",
        "direction": "debit",
        "kind": "transfer",
        "channel": "app",
        "counterparty_id": "cp-9",
        "device_id": "dev-3",
    }
    print(json.dumps(asyncio.run(decided(servers, payment)), indent=2))


if __name__ == "__main__":
    main()
