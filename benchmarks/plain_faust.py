"""A plain Faust agent as in its manual: one payment at a time, count and sum by account in a `Table` with changelog.

    python -m benchmarks.plain_faust BROKER TOPIC COUNT

Prints one line of JSON as `benchmarks.floor` does. It has no windows, so it does less work than the small load needs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any

import faust
import msgspec

from fraudstream.contracts import Payment

BROKER, TOPIC, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])

app = faust.App(
    f"plain-faust-{os.getpid()}",
    broker=f"kafka://{BROKER}",
    store="memory://",
    datadir=tempfile.mkdtemp(),
    topic_partitions=4,
    topic_disable_leader=True,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
)
payments = app.topic(TOPIC, value_type=bytes, value_serializer="raw", key_serializer="raw")
table = app.Table("totals", default=list, partitions=4)
decode = msgspec.json.Decoder(Payment).decode


@app.agent(payments)
async def total(stream: Any) -> None:
    """Count and sum the payments by account, then print the times and exit."""
    seen, started, cpu = 0, 0.0, 0.0
    async for value in stream:
        if not seen:
            started, cpu = time.perf_counter(), time.process_time()
        payment = decode(value)
        count, amount = table.get(payment.account_id) or (0, 0)
        table[payment.account_id] = [count + 1, amount + int(payment.amount.replace(".", ""))]
        seen += 1
        if seen == COUNT:
            spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
            os.write(1, b"\n" + json.dumps(spent).encode() + b"\n")  # Faust redirects sys.stdout to its log
            os._exit(0)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "-l", "error", "--without-web"]
    app.main()
