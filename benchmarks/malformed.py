"""Malformed payments of many kinds through a worker: each gets a decision or a dead letter, none is lost.

    python -m benchmarks.malformed [COUNT] [SEED]

Prints one line of JSON: the numbers of records sent, decisions and dead letters, by reason and by kind.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.contender import create_topics, worker
from benchmarks.throughput import WORKER_TOPICS, worker_settings
from fraudstream.contracts import DeadLetter
from fraudstream.embedded.broker import embedded_broker

TOPIC = "account"
LARGE_BYTES = 10 * 1024 * 1024
LARGE_EVERY = 20_000  # one in this many records is of a large kind
REQUEST_BYTES_MAX = 2 * LARGE_BYTES
KIND_HEADER = "kind"
IDLE_S_MAX = 60.0

_BASE: dict[str, Any] = {
    "occurred_at": "2026-03-04T12:00:00Z",
    "amount": "12.50",
    "currency": "EUR",
    "direction": "debit",
    "kind": "purchase",
    "channel": "app",
}


class _Decision(msgspec.Struct):
    outcome: str
    event_id: str | None = None


def _with(**fields: Any) -> Callable[[dict[str, Any], random.Random], bytes]:
    return lambda payment, rng: json.dumps(payment | fields).encode()


def _without(name: str) -> Callable[[dict[str, Any], random.Random], bytes]:
    return lambda payment, rng: json.dumps({key: value for key, value in payment.items() if key != name}).encode()


def _raw(name: str, literal: str) -> Callable[[dict[str, Any], random.Random], bytes]:
    """A field whose value is written literally, valid JSON or not."""
    return lambda payment, rng: json.dumps(payment | {name: "@"}).replace('"@"', literal).encode()


def _text(payment: dict[str, Any]) -> bytes:
    return json.dumps(payment).encode()


KINDS: dict[str, Callable[[dict[str, Any], random.Random], bytes]] = {
    "empty": lambda payment, rng: b"",
    "blank": lambda payment, rng: b" \n\t ",
    "not json": lambda payment, rng: b"payment of 12.50 EUR",
    "truncated": lambda payment, rng: _text(payment)[: rng.randrange(1, len(_text(payment)))],
    "cut at the front": lambda payment, rng: _text(payment)[rng.randrange(1, 40) :],
    "two payments": lambda payment, rng: _text(payment) + b"," + _text(payment),
    "two lines": lambda payment, rng: _text(payment) + b"\n" + _text(payment),
    "array": lambda payment, rng: b"[" + _text(payment) + b"]",
    "number": lambda payment, rng: b"42",
    "null": lambda payment, rng: b"null",
    "random bytes": lambda payment, rng: rng.randbytes(rng.randrange(1, 300)),
    "one byte changed": lambda payment, rng: _changed(_text(payment), rng),
    "bad utf-8": lambda payment, rng: _text(payment).replace(b"purchase", b"\xc3\x28\xff"),
    "utf-16": lambda payment, rng: json.dumps(payment).encode("utf-16"),
    "byte order mark": lambda payment, rng: b"\xef\xbb\xbf" + _text(payment),
    "null byte": lambda payment, rng: _text(payment).replace(b"purchase", b"pur\x00chase"),
    "escaped null in id": _with(event_id="a\x00b"),
    "lone surrogate": _raw("event_id", '"\\ud800"'),
    "missing event_id": _without("event_id"),
    "missing amount": _without("amount"),
    "missing direction": _without("direction"),
    "amount as number": _with(amount=12.5),
    "amount NaN": _raw("amount", "NaN"),
    "amount Infinity": _raw("amount", "-Infinity"),
    "amount 1e400": _raw("amount", "1e400"),
    "amount word": _with(amount="twelve"),
    "amount exponent": _with(amount="1e3"),
    "amount negative": _with(amount="-12.50"),
    "amount zero": _with(amount="0.00"),
    "amount huge": _with(amount="9" * 24),
    "amount longer than its field": _with(amount="1" * 400),
    "amount too precise": _with(amount="12.505"),
    "amount with comma": _with(amount="12,50"),
    "amount empty": _with(amount=""),
    "amount other digits": _with(amount="١٢٫٥"),
    "currency unknown": _with(currency="XQQ"),
    "currency small": _with(currency="eur"),
    "currency of four": _with(currency="EURO"),
    "year 1": _with(occurred_at="0001-01-01T00:00:00Z"),
    "year 9999": _with(occurred_at="9999-12-31T23:59:59.999999Z"),
    "no zone": _with(occurred_at="2026-03-04T12:00:00"),
    "day 32": _with(occurred_at="2026-03-32T12:00:00Z"),
    "time negative": _with(occurred_at=-1),
    "time huge": _with(occurred_at=10**30),
    "time fraction": _with(occurred_at=1772625600000.5),
    "direction unknown": _with(direction="sideways"),
    "channel unknown": _with(channel="pigeon"),
    "latitude 91": _with(lat=91.0),
    "latitude NaN": _raw("lat", "NaN"),
    "attributes a list": _with(attributes=[1, 2]),
    "attributes nested": _with(attributes={"a": {"b": {"c": 1}}}),
    "deep nesting": lambda payment, rng: _text(payment | {"more": "@"}).replace(b'"@"', b"[" * 5000 + b"]" * 5000),
    "account of 10,000": _with(account_id="a" * 10_000),
    "account not the key": _with(account_id="somebody-else"),
    "id a number": _with(event_id=7),
    "balance a word": _with(balance_after="nothing"),
}
LARGE_KINDS: dict[str, Callable[[dict[str, Any], random.Random], bytes]] = {
    "deeper nesting": lambda payment, rng: b'{"a":' * 50_000,
    "10 MB string": _with(partner_id="x" * LARGE_BYTES),
    "10 MB of spaces": lambda payment, rng: _text(payment)[:-1] + b" " * LARGE_BYTES + b"}",
    "10 MB unknown field": _with(more="x" * LARGE_BYTES),
}


def malformed(count: int, seed: int) -> Iterator[tuple[str, bytes, bytes]]:
    """(kind, key, value) of each record."""
    rng = random.Random(seed)
    kinds, large = list(KINDS), list(LARGE_KINDS)
    for number in range(count):
        account = f"acct-{rng.randrange(2000):05d}"
        payment = {"event_id": f"bad-{seed}-{number}", "account_id": account} | _BASE
        kind = large[number // LARGE_EVERY % len(large)] if number % LARGE_EVERY == 7 else kinds[number % len(kinds)]
        value = (KINDS | LARGE_KINDS)[kind](payment, rng)
        yield kind, account.encode(), value


def measure(count: int, seed: int) -> dict[str, Any]:
    """Publish `count` malformed payments to a worker on an embedded broker and count the outputs."""
    with embedded_broker() as broker:
        asyncio.run(create_topics(broker, TOPIC, *WORKER_TOPICS))
        with worker(broker, worker_settings(TOPIC)) as running:
            started = time.perf_counter()
            figures = asyncio.run(_measure(broker, count, seed))
            alive = running.process.poll() is None
    return figures | {"worker_alive": alive, "seconds": round(time.perf_counter() - started, 1)}


async def _measure(broker: str, count: int, seed: int) -> dict[str, Any]:
    letters: Counter[tuple[int, int]] = Counter()
    reasons: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    decided: Counter[str] = Counter()
    publishing = asyncio.create_task(_publish(broker, count, seed))
    consumer = AIOKafkaConsumer(
        "decisions",
        "dead-letters",
        bootstrap_servers=broker,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=5,
        max_partition_fetch_bytes=4 * REQUEST_BYTES_MAX,
    )
    await consumer.start()
    read_letter, read_decision = msgspec.json.Decoder(DeadLetter).decode, msgspec.json.Decoder(_Decision).decode
    idle_since = time.monotonic()
    while (answers := len(letters) + decided.total()) < count and time.monotonic() - idle_since < IDLE_S_MAX:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            idle_since = time.monotonic()
            for record in records:
                if record.topic == "decisions":
                    decision = read_decision(record.value)
                    if decision.outcome != "unjudged":  # its dead letter is counted
                        decided[str(decision.event_id)] += 1
                else:
                    letter = read_letter(record.value)
                    letters[letter.partition, letter.offset] += 1
                    reasons[letter.reason] += 1
                    kind = dict(letter.headers).get(KIND_HEADER, b"?").decode()
                    kinds.setdefault(kind, Counter())[letter.reason] += 1
    await consumer.stop()
    sent = await publishing
    return {
        "sent": count,
        "kinds": len(sent),
        "decided": decided.total(),
        "dead_letters": len(letters),
        "answered_twice": sum(n - 1 for n in (*letters.values(), *decided.values()) if n > 1),
        "missing": count - answers,
        "reasons": dict(reasons),
        "by_kind": {kind: dict(kinds.get(kind, {})) | {"of": sent[kind]} for kind in sorted(sent)},
    }


async def _publish(broker: str, count: int, seed: int) -> Counter[str]:
    # In large batches, so that the publisher takes little of the time.
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, max_request_size=REQUEST_BYTES_MAX, max_batch_size=1 << 19, linger_ms=500
    )
    await producer.start()
    sent: Counter[str] = Counter()
    for kind, key, value in malformed(count, seed):
        await producer.send(TOPIC, value, key=key, headers=[(KIND_HEADER, kind.encode())])
        sent[kind] += 1
    await producer.stop()
    return sent


def _changed(text: bytes, rng: random.Random) -> bytes:
    data = bytearray(text)
    data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


if __name__ == "__main__":
    COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(json.dumps(measure(COUNT, int(sys.argv[2]) if len(sys.argv) > 2 else 1), indent=1))
