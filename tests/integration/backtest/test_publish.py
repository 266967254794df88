"""`publish` and `generate --topic` on a broker: everything arrives, in order, in the partition of its key."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.partitioner import DefaultPartitioner

from fraudstream.backtest.label_order import in_order
from fraudstream.backtest.mapping import load_mapping
from fraudstream.backtest.payment_file import PaymentFile
from fraudstream.cli.main import main
from fraudstream.contracts import Label, Payment
from fraudstream.kafka import Brokers
from tests.integration.topic_admin import admin_of

PARTITIONS = 3
DAY_MS = 86_400_000


async def create(broker: str, topic: str) -> None:
    """Create a topic."""
    async with admin_of(Brokers(broker)) as admin:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])


async def read(broker: str, topic: str, n: int) -> list[list[Any]]:
    """The first `n` records, by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest", fetch_max_wait_ms=20)
    await consumer.start()
    found: list[list[Any]] = [[] for _ in range(PARTITIONS)]
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        while sum(map(len, found)) < n:
            for tp, records in (await asyncio.wait_for(consumer.getmany(timeout_ms=1_000), 30)).items():
                found[tp.partition] += records
    finally:
        await consumer.stop()
    return found


def event_of(record: Any) -> Payment | Label:
    """The payment or label that a record holds."""
    if ("type", b"label") in record.headers:
        return msgspec.json.decode(record.value, type=Label)
    return msgspec.json.decode(record.value, type=Payment)


@pytest.mark.parametrize("rate", [(), ("--rate", "20000")], ids=["at once", "at a rate"])
def test_a_published_file_is_in_the_topic_in_the_order_of_replay(
    broker: str,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    rate: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    topic, file = unique_name("payments"), tmp_path / "payments.parquet"
    asyncio.run(create(broker, topic))
    assert main(["generate", "--out", str(file), "--count", "6000", "--accounts", "300", "--json"]) == 0
    capsys.readouterr()

    flags = ["--mapping", "generated", "--label-delay", "1d", "--bootstrap-servers", broker, "--topic", topic, "--json"]
    assert main(["publish", str(file), *flags, *rate]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["payments"], counts["labels"]) == (6_000, 6_000)

    expected: list[list[Payment | Label]] = [[] for _ in range(PARTITIONS)]
    choose, numbers = DefaultPartitioner(), list(range(PARTITIONS))
    for batch in in_order(PaymentFile(file, load_mapping("generated")).batches(), DAY_MS):
        for event in batch.events:
            expected[choose(event.account_id.encode(), numbers, numbers)].append(event)
    records = asyncio.run(read(broker, topic, 12_000))
    assert [[event_of(record) for record in part] for part in records] == expected
    assert all(record.key.decode() == event_of(record).account_id for part in records for record in part)


def test_generated_payments_are_published_at_their_time(
    broker: str, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    topic = unique_name("payments")
    asyncio.run(create(broker, topic))
    flags = ["--rate", "500", "--count", "600", "--accounts", "200", "--label-delay", "100ms", "--fraud-share", "0.05"]
    assert main(["generate", "--topic", topic, "--bootstrap-servers", broker, "--json", *flags]) == 0
    assert json.loads(capsys.readouterr().out)["payments"] == 600

    events = [event_of(record) for part in asyncio.run(read(broker, topic, 600)) for record in part]
    now_ms = time.time() * 1000
    live = [event for event in events if isinstance(event, Payment) and int(event.occurred_at) > now_ms - 60_000]  # type: ignore[arg-type]
    assert len(live) > 500  # the rest are the last payments of inactive accounts
    assert all(int(event.occurred_at) <= now_ms for event in live)  # type: ignore[arg-type]
    labels = [event for event in events if isinstance(event, Label)]
    assert labels
    assert {event.label for event in labels} == {"fraud"}


def test_an_unreachable_broker_is_reported_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "payments.parquet"
    main(["generate", "--out", str(file), "--count", "10", "--accounts", "100"])
    assert main(["publish", str(file), "--mapping", "generated", "--bootstrap-servers", "127.0.0.1:1"]) == 1
    assert "no broker answers at 127.0.0.1:1" in capsys.readouterr().err


def test_bad_rows_of_a_published_file_are_listed_and_the_others_arrive(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic, file, listed = unique_name("payments"), tmp_path / "payments.csv", tmp_path / "bad_rows.jsonl"
    asyncio.run(create(broker, topic))
    header = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"
    file.write_text(header + "1,2025-01-01,a,t,1.50,\n2,2025-01-02,a,t,two,\n3,2025-01-03,b,t,2.50,\n")
    flags = ["--mapping", "handbook", "--bootstrap-servers", broker, "--topic", topic, "--bad-rows", str(listed)]
    assert main(["publish", str(file), *flags, "--on-bad-row", "skip", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows_skipped"] == {"amount": 1}
    events = [event_of(record) for part in asyncio.run(read(broker, topic, 2)) for record in part]
    assert {event.event_id for event in events} == {"1", "3"}
    assert [json.loads(line)["row"] for line in listed.read_text().splitlines()] == [2]
