"""A set of topics of their own on a shared broker, workers on them, and what comes out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from fraudstream.contracts import Alert, DeadLetter, Decision
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.kafka.offset_gaps import OffsetGaps
from fraudstream.stream.observer import Observer
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stages import stages_of
from fraudstream.stream.topics.apply import apply_topics
from fraudstream.stream.topics.file import Topic
from fraudstream.stream.worker import serve

PARTITIONS = 4
WAIT_S = 90.0
EPOCH_MS = 1_700_000_000_000

# Every alert says in its message how many payments of its account the worker has counted: a payment counted twice, or
# lost from memory, shows in every later alert of that account.
RULES = {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 64, panes: {width: 2d, count: 16}}
features:
  account.payments_30d: {aggregate: count, window: 30d}
""",
    "score.yaml": "threshold: 0.9\nparts: []\n",
    "test/counted.yaml": """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Two or more payments
status: live
severity: high
tags: [typology.test]
when: account.payments_30d >= 2
message: "{account.payments_30d}"
blind_spots: [the first]
false_positives: [all others]
""",
}


class World:
    """`kafka`: whether the broker is Apache Kafka, else the embedded one. `rules`: the files of the rule set.
    `partitions`: of the topic of each stage, by its name, and of the answers'."""

    def __init__(
        self,
        broker: str | Brokers,
        unique_name: Callable[[str], str],
        directory: Path,
        kafka: bool = False,
        rules: Mapping[str, str] = RULES,
        partitions: Mapping[str, int] | int = PARTITIONS,
    ) -> None:
        self.rules = rules
        self.kafka = kafka
        self._partitions = partitions
        self.brokers = broker if isinstance(broker, Brokers) else Brokers(broker)
        self.broker = self.brokers.servers
        self.directory = directory
        self.settings = StreamSettings(
            brokers=self.brokers,
            checkpoint_mode="transaction" if kafka else "batch",
            group=unique_name("group"),
            payments_topic=unique_name("payments"),
            labels_topic=unique_name("labels"),
            decisions_topic=unique_name("decisions"),
            alerts_topic=unique_name("alerts"),
            dead_letters_topic=unique_name("dead-letters"),
            controls_topic=unique_name("controls"),
            checkpoint_s=0.3,
            # The least that Kafka allows; on the embedded one whoever joins waits for it.
            session_timeout_s=6.0 if kafka else 4.0,
            heartbeat_s=0.5,
        )
        write_rules(directory, rules)

    async def create_topics(self, configs: Mapping[str, str] | None = None) -> None:
        s = self.settings
        assert s.labels_topic is not None
        names = (s.labels_topic, s.decisions_topic, s.alerts_topic, s.dead_letters_topic)
        topics = [Topic(name, self.partitions_of(""), 1, {}) for name in names]
        for stage in self.stages:
            partitions = self.partitions_of(stage.stage)
            topics.append(Topic(stage.input_topic, partitions, 1, {}))
            topics.append(Topic(stage.changelog_topic, partitions, 1, {"cleanup.policy": "compact"}))
        topics.append(Topic(s.controls_topic, 1, 1, {"cleanup.policy": "compact"}))
        await apply_topics(self.brokers, topics)

    @property
    def stages(self) -> list[StreamSettings]:
        """The settings of each stage."""
        return [settings for settings, _ in stages_of(self.settings, self.engine)]

    @property
    def engine(self) -> Engine:
        return engine(self.rules)

    def partitions_of(self, stage: str) -> int:
        """Of the topic that a stage reads; of decisions and alerts for ''."""
        return self._partitions if isinstance(self._partitions, int) else self._partitions[stage]

    # Workers

    @asynccontextmanager
    async def worker(
        self,
        observer: Observer | None = None,
        settings: StreamSettings | None = None,
        stage: str | None = None,
        rules: Engine | None = None,
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A worker within this process, of one stage or of all, stopped in order at the end. Its failure is raised
        there."""
        stop = asyncio.Event()
        its_engine = rules or (self.engine if stage is None else self.engine.of_stage(stage))
        running = asyncio.create_task(serve(settings or self.settings, its_engine, observer, stop=stop))
        try:
            yield running
        finally:
            stop.set()
            await asyncio.wait([running])
        running.result()

    def start_process(self, name: str, other: Mapping[str, str] | None = None) -> Process:
        """`fraudstream worker` as a process of its own; `other`: settings in place of ours."""
        command = [sys.executable, "-m", "fraudstream.cli.main", "worker", *self.flags(other)]
        return Process(command, self.directory / f"{name}.log")

    def flags(self, other: Mapping[str, str] | None = None) -> list[str]:
        """What any command needs to work here; `other`: settings in place of ours."""
        s = self.settings
        flags = {
            "kafka.bootstrap_servers": self.broker,
            "rules.directory": str(self.directory),
            "metrics.port": "0",
            "worker.group": s.group,
            "worker.checkpoint_mode": s.checkpoint_mode,
            "worker.checkpoint_interval_s": str(s.checkpoint_s),
            "worker.session_timeout_s": str(s.session_timeout_s),
            "topics.payments": s.payments_topic,
            "topics.labels": str(s.labels_topic),
            "topics.decisions": s.decisions_topic,
            "topics.alerts": s.alerts_topic,
            "topics.dead_letters": s.dead_letters_topic,
            "topics.controls": s.controls_topic,
        }
        return [
            word for setting, value in (flags | dict(other or {})).items() for word in ("--set", f"{setting}={value}")
        ]

    # What goes in

    async def publish(self, numbers: Iterable[int], accounts: int = 20) -> None:
        """Payments by number, spread over accounts."""
        await self.publish_records((f"a{n % accounts}".encode(), payment(n, f"a{n % accounts}")) for n in numbers)

    async def publish_records(
        self, records: Iterable[tuple[bytes | None, bytes | None]], topic: str | None = None, **send: object
    ) -> list[tuple[int, int]]:
        """Returns where each stands: partition, offset."""
        async with AIOKafkaProducer(**self.brokers.options(), max_request_size=64 << 20) as producer:
            sent = [
                await producer.send(topic or self.settings.payments_topic, value, key=key, **send)
                for key, value in records
            ]
            done = await asyncio.gather(*sent)
        return [(metadata.partition, metadata.offset) for metadata in done]

    # What comes out

    async def records(self, topic: str, enough: Callable[[list[ConsumerRecord]], bool]) -> list[ConsumerRecord]:
        """All records of the topic, from its beginning until they are enough."""
        consumer = AIOKafkaConsumer(**self.brokers.options(), auto_offset_reset="earliest", fetch_max_wait_ms=20)
        await consumer.start()
        try:
            known = await consumer._client.fetch_all_metadata()
            numbers = known.partitions_for_topic(topic) or set()
            partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            consumer.assign(partitions)
            offset_gaps, due = OffsetGaps(consumer), dict.fromkeys(partitions, 0)
            found: list[ConsumerRecord] = []
            limit = time.monotonic() + WAIT_S
            while True:
                for tp, fetched in (await consumer.getmany(timeout_ms=100)).items():
                    batch = fetched if self.kafka else offset_gaps.contiguous(tp, due[tp], fetched)
                    due[tp] = batch[-1].offset + 1 if batch else due[tp]
                    found += batch
                if enough(found):
                    return found
                assert time.monotonic() < limit, f"{topic}: {len(found)} records after {WAIT_S} s are not enough"
        finally:
            await consumer.stop()

    async def ends(self, topic: str) -> dict[int, int]:
        """By partition, the offset behind its last record; on Apache Kafka alone, the embedded broker tells less."""
        async with AIOKafkaConsumer(**self.brokers.options()) as consumer:
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
            return {tp.partition: end for tp, end in ends.items()}

    async def decisions(self, payments: int) -> list[Decision]:
        """All decisions once `payments` different payments are decided."""
        decode = msgspec.json.Decoder(Decision).decode
        found = await self.records(
            self.settings.decisions_topic,
            lambda records: len({decode(record.value).event_id for record in records}) >= payments,
        )
        return [decode(record.value) for record in found]

    async def alerts(self, payments: int) -> list[Alert]:
        decode = msgspec.json.Decoder(Alert).decode
        found = await self.records(
            self.settings.alerts_topic,
            lambda records: len({decode(record.value).event_id for record in records}) >= payments,
        )
        return [decode(record.value) for record in found]

    async def dead_letters(self, count: int) -> list[DeadLetter]:
        found = await self.records(self.settings.dead_letters_topic, lambda records: len(records) >= count)
        return [msgspec.json.decode(record.value, type=DeadLetter) for record in found]


class Process:
    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=os.environ)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def stop(self, *codes: int) -> None:
        """SIGTERM: it ends, with one of these exit codes; without any, with 0."""
        self._process.terminate()
        assert await self.wait() in (codes or (0,)), f"{self.log}:\n{self.log.read_text()}"

    async def wait(self) -> int:
        async with asyncio.timeout(WAIT_S):
            while (code := self._process.poll()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return code

    async def says(self, words: str, times: int = 1) -> None:
        """Wait until its log says so."""
        limit = time.monotonic() + WAIT_S
        while self.log.read_text().count(words) < times:
            assert time.monotonic() < limit, f"{self.log} does not say '{words}' {times} times:\n{self.log.read_text()}"
            assert self._process.poll() is None, f"{self.log}:\n{self.log.read_text()}"
            await asyncio.sleep(0.05)


def write_rules(directory: Path, rules: Mapping[str, str]) -> Path:
    for path, text in rules.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return directory


async def publish_steadily(
    world: World, enough: asyncio.Event, publish: Callable[[World, range], Awaitable[None]] = World.publish
) -> int:
    """Returns how many payments that were: some come after there are enough, however long that took."""
    for start in count(0, 10):
        behind = enough.is_set()
        await publish(world, range(start, start + 10))
        if behind:
            return start + 10
        await asyncio.sleep(0.1)
    raise AssertionError


def engine(rules: Mapping[str, str] = RULES) -> Engine:
    return Engine(compile_rule_set(rules))


def payment(number: int, account: str, **fields: object) -> bytes:
    return msgspec.json.encode(
        {
            "event_id": f"e{number}",
            "occurred_at": EPOCH_MS + number,
            "account_id": account,
            "amount": "12.50",
            "currency": "EUR",
            "direction": "debit",
            **fields,
        }
    )


def assert_counted_once(alerts: Sequence[Alert], payments: int) -> None:
    """Each account's alerts count 2, 3, ... without a gap, and no payment has two verdicts or two alert ids."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    verdicts: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for alert in alerts:
        counts[alert.account_id][alert.event_id] = int(alert.rules[0].message)
        verdicts[alert.event_id].add((alert.alert_id, alert.verdict_digest))
    assert {event: found for event, found in verdicts.items() if len(found) > 1} == {}
    for account, by_event in counts.items():
        assert sorted(by_event.values()) == list(range(2, len(by_event) + 2)), account
    assert sum(len(by_event) + 1 for by_event in counts.values()) == payments
