"""Runs clients against a broker and prints a table: `matrix.py [SERVERS] < CLIENTS`; without servers the embedded
broker.

Each line of stdin is a client: name, version (empty: it is asked), command, separated by tabs. A client publishes
payments, which must arrive in the partitions that Java's clients choose; and it reads decisions as a consumer group,
once for each codec.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from fraudstream.embedded import embedded_broker
from fraudstream.engine.partitioners import partitions_for

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS: Final = 4
RECORDS: Final = 20
CLIENT_S_MAX: Final = 40.0


class Client(NamedTuple):
    """One client. `command`: understands `version`, `produce SERVERS TOPIC` and `consume SERVERS TOPIC COUNT`."""

    name: str
    version: str
    command: Sequence[str]


def main(arguments: Sequence[str]) -> None:
    """Run all clients and print the table."""
    clients = [_client(line) for line in sys.stdin.read().splitlines()]
    with _broker(arguments) as servers:
        topics = asyncio.run(_decisions(servers))
        print("| client | version | publishes | " + " | ".join(f"reads {codec}" for codec in CODECS) + " |")
        print("| --- " * (3 + len(CODECS)) + "|")
        for client in clients:
            cells = [_publishes(client, servers), *(_reads(client, servers, topics[codec]) for codec in CODECS)]
            print(f"| {client.name} | {client.version} | " + " | ".join(cells) + " |", flush=True)


def _client(line: str) -> Client:
    name, version, command = line.split("\t")
    words = shlex.split(command)
    return Client(name, version or _run([*words, "version"], "")[1].strip(), words)


@contextmanager
def _broker(arguments: Sequence[str]) -> Iterator[str]:
    if arguments:
        yield arguments[0]
        return
    with embedded_broker() as servers:
        yield servers


async def _decisions(servers: str) -> dict[str, str]:
    """A topic of decisions for each codec, by codec."""
    topics = {codec: f"clients-decisions-{codec}-{uuid4().hex[:8]}" for codec in CODECS}
    await _create(servers, list(topics.values()))
    for codec, topic in topics.items():
        compression = None if codec == "none" else codec
        async with AIOKafkaProducer(bootstrap_servers=servers, compression_type=compression, linger_ms=50) as producer:
            values = [_decision(number) for number in range(RECORDS)]
            await asyncio.gather(*[await producer.send(topic, value.encode(), key=b"a1") for value in values])
    return topics


async def _create(servers: str, topics: Sequence[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])
    await admin.close()


def _decision(number: int) -> str:
    return f'{{"event_id":"e{number}","account_id":"a1","outcome":"approve","score":0.01,"rules":[]}}'


def _publishes(client: Client, servers: str) -> str:
    """ "yes", or what went wrong."""
    topic = f"clients-payments-{uuid4().hex[:8]}"
    asyncio.run(_create(servers, [topic]))
    keys = [f"a{number}" for number in range(RECORDS)]
    done, said = _run([*client.command, "produce", servers, topic], "".join(f"{key}\t{{}}\n" for key in keys))
    if not done:
        return _short(said)
    found = asyncio.run(_keys(servers, topic))
    due = dict(zip(keys, partitions_for([key.encode() for key in keys], PARTITIONS).tolist(), strict=True))
    return "yes" if found == due else f"{len(found)} of {RECORDS} keys, not all where Java's clients send them"


async def _keys(servers: str, topic: str) -> dict[str, int]:
    """The partition of each key in a topic."""
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: dict[str, int] = {}
        while len(found) < RECORDS and (fetched := await consumer.getmany(timeout_ms=2_000)):
            found |= {record.key.decode(): tp.partition for tp, records in fetched.items() for record in records}
    return found


def _reads(client: Client, servers: str, topic: str) -> str:
    """ "yes", or what went wrong."""
    done, said = _run([*client.command, "consume", servers, topic, str(RECORDS)], "")
    due = [_decision(number) for number in range(RECORDS)]
    return ("yes" if said.split() == due else "other values") if done else _short(said)


def _run(command: Sequence[str], text: str) -> tuple[bool, str]:
    """Whether a command succeeded, and its output; of a failure its messages."""
    try:
        ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=CLIENT_S_MAX, check=False)
    except subprocess.TimeoutExpired as expired:
        said = expired.stderr or b""
        return False, f"nothing for {CLIENT_S_MAX:g} s. {said.decode() if isinstance(said, bytes) else said}"
    return ended.returncode == 0, ended.stdout if ended.returncode == 0 else ended.stderr or ended.stdout


def _short(said: str) -> str:
    """The last line of a failure, for a cell of the table."""
    print(said, file=sys.stderr)
    return "no: " + (said.strip().splitlines() or ["(no output)"])[-1].replace("|", "/")[:100]


if __name__ == "__main__":
    main(sys.argv[1:])
