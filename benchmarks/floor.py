"""The floor of a benchmark: fetch with aiokafka and decode with msgspec, without further processing.

    python -m benchmarks.floor BROKER TOPIC COUNT

Prints one line of JSON: seconds from the first payment to the last, and the CPU seconds between.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import msgspec
from aiokafka import AIOKafkaConsumer

from fraudstream.contracts import Payment

FETCH_WAIT_MS = 500  # the same as the worker's on the embedded broker


async def main(broker: str, topic: str, count: int) -> None:
    """Consume and decode `count` payments and print the times."""
    decode = msgspec.json.Decoder(Payment).decode
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", fetch_max_wait_ms=FETCH_WAIT_MS
    )
    await consumer.start()
    seen, started, cpu = 0, 0.0, 0.0
    while seen < count:
        batches = await consumer.getmany(timeout_ms=1000, max_records=2000)
        if batches and not seen:
            started, cpu = time.perf_counter(), time.process_time()
        for records in batches.values():
            for record in records:
                decode(record.value)
            seen += len(records)
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}))
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
