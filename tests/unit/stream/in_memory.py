"""A stage on in-memory ports: no Kafka, no Faust. Faults are set as attributes: a gate that is closed, an error to
raise."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from aiokafka.record.memory_records import MemoryRecords

from fraudstream.contracts import Payment
from fraudstream.contracts.control import ListEntry, RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.contracts.log_record import LogRecord
from fraudstream.engine.engine import Engine
from fraudstream.engine.packed_records import PackedRecords
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.records import records_of
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.kafka.open_transactions import OpenTransaction
from fraudstream.kafka.record_batch.ready_batch import ReadyBatch
from fraudstream.kafka.record_batch.writer import WrittenRecords
from fraudstream.stream.checkpoints.changelog import EPOCH_HEADER, EPOCH_KEY, AcceptedGap, accepted_gaps, gap_change
from fraudstream.stream.observer import ForwardedBatch, JudgedBatch, Unobserved
from fraudstream.stream.ports import ChangelogPart, ChangelogWriter
from fraudstream.stream.record_batch import RecordBatch
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stage import Stage, StagePorts, new_stage
from fraudstream.stream.stages import stages_of
from fraudstream.stream.topics.cluster import Cluster
from fraudstream.tracing.ports import UNTRACED, Tracer

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_30d: {aggregate: count, window: 30d}
"""
CHAIN = """
version: 1
entities:
  account: {key: account_id, slots: 16}
  device: {key: device_id, slots: 16}
features:
  account.payments_30d: {aggregate: count, window: 30d}
  device.payments_30d: {aggregate: count, window: 30d}
"""
RULE = """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Several payments
status: live
severity: high
tags: [typology.test]
when: account.payments_30d >= %d
message: "{account.payments_30d}"
blind_spots: [the first]
false_positives: [all others]
"""
OWN = compile_rule_set({"features.yaml": FEATURES, "test/counted.yaml": RULE % 2})
STRICT = compile_rule_set({"features.yaml": FEATURES, "test/counted.yaml": RULE % 1})
TOPICS = ("payments", "labels", "decisions", "alerts", "dead-letters")


class Record(NamedTuple):
    """A `LogRecord`."""

    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 1_000


class SentRecord(NamedTuple):
    """What arrived in a topic."""

    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


def payment(offset: int, account: str = "a", event_id: str | None = None) -> Record:
    """A valid payment record."""
    event = Payment(event_id or f"e{offset}", 1_000, account, "1.00", "EUR", "debit")
    return Record(offset, msgspec.json.encode(event), account.encode())


def switch(offset: int, rule_set: str, state_version: int | None = None) -> Record:
    """A rule-set switch in the log."""
    control = RuleSwitch(rule_set, "r.holm", 0, state_version=state_version)
    return Record(offset, msgspec.json.encode(control), None, (CONTROL_HEADER,))


def list_entry(offset: int, name: str, value: str) -> Record:
    """A list entry in the log."""
    return Record(offset, msgspec.json.encode(ListEntry(name, value, "r.holm", 0)), None, (CONTROL_HEADER,))


def label(offset: int, event_id: str, account: str = "a") -> Record:
    """A label in the payments log."""
    body = {"event_id": event_id, "account_id": account, "label": "fraud", "occurred_at": 1_000, "source": "test"}
    return Record(offset, msgspec.json.encode(body), account.encode(), (LABEL_HEADER,))


def batch(*records: LogRecord, first: int | None = None, following: int | None = None) -> RecordBatch:
    """The records as one fetch; by default it begins at the first one and ends behind the last."""
    begin = records[0].offset if first is None else first
    end = records[-1].offset + 1 if following is None else following
    return RecordBatch(records_of(records), begin, end, end)


def chain() -> Engine:
    """Of two stages: account, which forwards, and device."""
    return Engine(compile_rule_set({"features.yaml": CHAIN, "test/counted.yaml": RULE % 2}))


def payment_with_device(offset: int, account: str = "a") -> Record:
    """A payment that goes on to the device stage."""
    event = Payment(f"e{offset}", 1_000, account, "1.00", "EUR", "debit", device_id="d")
    return Record(offset, msgspec.json.encode(event), account.encode())


class InMemoryLog:
    """`InputLog` and `OffsetCommits` of a topic."""

    def __init__(self) -> None:
        self.sought: list[tuple[int, int]] = []
        self.committed: dict[int, int] = {}
        self.first: dict[int, int] = defaultdict(int)
        self.end: dict[int, int] = defaultdict(lambda: 1_000_000)
        self.high_watermark: dict[int, int] = {}  # where it is beyond the end
        self.commit_error: Exception | None = None

    async def seek(self, partition: int, offset: int) -> None:
        self.sought.append((partition, offset))

    async def earliest(self, partition: int) -> int:
        return self.first[partition]

    async def begins_at_ms(self, partition: int) -> int | None:
        return 1_700_000_000_000

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        return {number: self.end[number] for number in partitions}

    def end_now(self, partition: int) -> int:
        return self.end[partition]

    def high_watermark_now(self, partition: int) -> int:
        return self.high_watermark.get(partition, self.end[partition])

    def records_behind(self, partition: int, end: int, next_offset: int) -> int:
        return max(0, end - next_offset)

    async def commit(self, offsets: Mapping[int, int]) -> None:
        if self.commit_error is not None:
            raise self.commit_error
        self.committed |= offsets


class InMemoryChangelog:
    """`Changelog` and `ChangelogWriters`: the records of each partition, kept when a stage is thrown away."""

    def __init__(self) -> None:
        self.records: dict[int, list[Record]] = defaultdict(list)
        self.writing = asyncio.Event()  # somebody waits at the gate
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.closed: list[int] = []

    async def extents(self, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        return {number: (0, len(self.records[number])) for number in partitions}

    def recovery_ends(self) -> Mapping[int, int]:
        return {number: len(records) for number, records in self.records.items()}

    async def accepted(self, partition: int, begin: int) -> tuple[Mapping[int, AcceptedGap], int]:
        records = self.records[partition]
        return accepted_gaps(records[begin:]), len(records)

    def accept_gap(self, partition: int, first: int, following: int) -> None:
        """What `fraudstream state accept-gap` writes."""
        key, value = gap_change(AcceptedGap("payments", first, following, "r.holm", 0, "an outage"))
        log = self.records[partition]
        log.append(Record(len(log), value, key))

    async def writer(self, partition: int) -> ChangelogWriter:
        return InMemoryWriter(self, partition)

    async def close(self) -> None: ...

    def keys(self, partition: int = 0) -> list[bytes]:
        """Keys of all rows and checkpoint records."""
        return [record.key or b"" for record in self.records[partition] if record.key != EPOCH_KEY]

    def read(self, partition: int) -> RecordBatch:
        """All that the partition holds."""
        records = self.records[partition]
        return RecordBatch(records_of(records), 0, len(records), len(records))


class InMemoryFollower:
    """`FollowsChangelog`: reads at most `at_most` records of each partition. `lost`: partitions whose beginning was
    deleted, for the next read."""

    def __init__(self, changelog: InMemoryChangelog) -> None:
        self.changelog = changelog
        self.at_most = 1_000_000
        self.lost: set[int] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, positions: Mapping[int, int | None]) -> Mapping[int, ChangelogPart]:
        parts = {}
        for number, position in positions.items():
            records, begin = self.changelog.records[number], position or 0
            read = records[begin : begin + self.at_most]
            parts[number] = ChangelogPart(read, begin + len(read), len(records), lost=number in self.lost)
        self.lost = set()
        await self.gate.wait()
        return parts

    async def close(self) -> None: ...


class InMemoryWriter:
    """`ChangelogWriter` of mode `batch`: records carry the epoch of their writer."""

    def __init__(self, changelog: InMemoryChangelog, partition: int) -> None:
        self._changelog, self._partition, self._epoch = changelog, partition, b""

    async def fence(self, epoch: str) -> None:
        self._epoch = epoch.encode()
        self._append(EPOCH_KEY, self._epoch, ())

    async def write(self, records: Sequence[PackedRecords]) -> int:
        self._changelog.writing.set()
        await self._changelog.gate.wait()
        if self._changelog.error is not None:
            raise self._changelog.error
        for key, value in [pair for part in records for pair in part.pairs()]:
            self._append(key, value, ((EPOCH_HEADER, self._epoch),))
        return len(self._changelog.records[self._partition]) - 1

    async def close(self) -> None:
        self._changelog.closed.append(self._partition)

    def _append(self, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        log = self._changelog.records[self._partition]
        log.append(Record(len(log), value, key, headers))


def sent_records(batch: WrittenRecords) -> list[SentRecord]:
    """The records of a batch, as aiokafka reads them."""
    read = MemoryRecords(bytes(ReadyBatch(batch, "none")._build())).next_batch()
    assert read is not None
    return [SentRecord(record.key, record.value, list(record.headers)) for record in read]


class InMemorySender:
    """`RecordSender`: acknowledges when the gate is open. `batches`: topic, partition and records of each."""

    def __init__(self, batch_bytes_max: int = 2000) -> None:
        self.batches: list[tuple[str, int, list[SentRecord]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.batch_bytes_max = batch_bytes_max

    async def send_batch(self, batch: WrittenRecords, topic: str, partition: int) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append((topic, partition, sent_records(batch)))

    def sent(self, topic: str) -> list[SentRecord]:
        """All records of a topic."""
        return [record for name, _, records in self.batches if name == topic for record in records]


class InMemoryRuleSets:
    """`RuleSetSource`: `stored` can be loaded, `loaded` notes which were asked for."""

    def __init__(self, own: Engine, *stored: Engine) -> None:
        self.engines: dict[str, Engine] = {own.rule_set.digest: own}
        self.stored = {engine.rule_set.digest: engine for engine in stored}
        self.loaded: list[str] = []
        self.calls: list[str] = []
        self.seeds: list[tuple[str, str]] = []  # list entries that stand in for missing controls

    async def load(self, digests: Iterable[str]) -> None:
        for digest in sorted(digests):
            self.loaded.append(digest)
            if digest in self.stored:
                self.engines[digest] = self.stored[digest]

    async def begin(self, state: PartitionState, first_offset: int) -> None:
        self.calls.append("begin")
        self._seed(state, first_offset)

    async def begin_again(self, state: PartitionState, first_offset: int, named_by: str) -> None:
        self.calls.append("begin_again")
        self._seed(state, first_offset)

    async def resume(self, state: PartitionState, named_by: str) -> None:
        self.calls.append("resume")
        await self.load({state.rule_set} - self.engines.keys())

    async def catch_up(self, state: PartitionState, named_by: str) -> None:
        self.calls.append("catch_up")
        for name, value in self.seeds:
            state.lists.put(name, value, None)

    def lacks_controls(self, first_offset: int) -> bool:
        return first_offset > 0

    def _seed(self, state: PartitionState, first_offset: int) -> None:
        for name, value in self.seeds if self.lacks_controls(first_offset) else ():
            state.lists.put(name, value, None)


class Recorder(Unobserved):
    """Notes what a stage reports."""

    def __init__(self) -> None:
        self.judged: list[JudgedBatch] = []
        self.forwarded: list[ForwardedBatch] = []
        self.backfilled: list[int] = []
        self.decided: list[tuple[int, str | None]] = []
        self.undecided: list[tuple[int, str, bool]] = []
        self.checkpoints: list[tuple[int, int]] = []
        self.assigned: list[list[int]] = []
        self.recoveries: list[int] = []
        self.lags: list[tuple[int, int]] = []
        self.answers: list[bool] = []
        self.labels = 0
        self.standby: Mapping[int, int | None] = {}
        self.stopped: list[tuple[int, str]] = []
        self.resumed: list[int] = []
        self.missing: list[tuple[int, int]] = []
        self.transactions: list[dict[int, str]] = []
        self.labels_missing: list[int] = []
        self.misplaced: list[tuple[int, int, str]] = []
        self.failures: list[str] = []
        self.replies: list[Mapping[str, int]] = []

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        self.judged.append(batch)

    def on_forwarded(self, partition: int, batch: ForwardedBatch) -> None:
        self.forwarded.append(batch)

    def on_backfilled(self, partition: int, *, records: int, watermark_ms: int, rows: int, size: int) -> None:
        self.backfilled.append(records)

    def on_decided(self, partition: int, *, rule_set: str | None) -> None:
        self.decided.append((partition, rule_set))

    def on_undecided(self, partition: int, *, sentence: str, backfilling: bool) -> None:
        self.undecided.append((partition, sentence, backfilling))

    def on_checkpoint(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self.checkpoints.append((partition, next_offset))

    def on_assigned(self, partitions: Sequence[int]) -> None:
        self.assigned.append(list(partitions))

    def on_recovery(self, partition: int, *, seconds: float, records: int, size: int, next_offset: int) -> None:
        self.recoveries.append(partition)

    def on_lag(self, partition: int, *, lag: int) -> None:
        self.lags.append((partition, lag))

    def on_brokers(self, *, answer: bool) -> None:
        self.answers.append(answer)

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        self.transactions.append({number: str(transaction) for number, transaction in waiting.items()})

    def on_stopped(self, partition: int, *, sentence: str) -> None:
        self.stopped.append((partition, sentence))

    def on_resumed(self, partition: int) -> None:
        self.resumed.append(partition)

    def on_records_missing(self, partition: int, *, records: int) -> None:
        self.missing.append((partition, records))

    def on_labels_missing(self, records: int) -> None:
        self.labels_missing.append(records)

    def on_misplaced(self, partition: int, *, records: int, policy: str) -> None:
        if records:
            self.misplaced.append((partition, records, policy))

    def on_replies(self, replies: Mapping[str, int]) -> None:
        self.replies.append(replies)

    def on_labels_forwarded(self, records: int) -> None:
        self.labels += records

    def on_standby(self, behind: Mapping[int, int | None]) -> None:
        self.standby = behind

    def on_failure(self, sentence: str) -> None:
        self.failures.append(sentence)


class Worker:
    """A stage of one process, on ports that outlive it: `successor` is the process that is started after a crash."""

    def __init__(
        self,
        engine: Engine | None = None,
        previous: Worker | None = None,
        *,
        topics: Mapping[str, int] | None = None,
        sender: InMemorySender | None = None,
        last: bool = False,
        tracer: Tracer | None = None,
        **settings: Any,
    ) -> None:
        """`engine`: of one stage or of the whole catalogue, the first stage of which is run, or the `last`. `topics`:
        partitions of further topics."""
        whole = engine if engine is not None else Engine(OWN)
        given: dict[str, object] = {"brokers": Brokers("nowhere:1"), "checkpoint_mode": "batch", **settings}
        stages = list(stages_of(msgspec.convert(given, StreamSettings), whole))
        self.settings, self.engine = stages[-1 if last else 0]
        self.input, self.labels = InMemoryLog(), InMemoryLog()
        self.changelog: InMemoryChangelog = previous.changelog if previous is not None else InMemoryChangelog()
        self.followed = InMemoryFollower(self.changelog)
        self.sender: InMemorySender = previous.sender if previous is not None else sender or InMemorySender()
        self.observer = Recorder()
        self.rule_sets = InMemoryRuleSets(self.engine, self.engine.under(STRICT) if engine is None else self.engine)
        if previous is not None:
            self.input.first = previous.input.first
            self.rule_sets.seeds = previous.rule_sets.seeds
        partitions = dict.fromkeys((*TOPICS, self.settings.input_topic, self.settings.next_topic or ""), 4)
        further = topics if topics is not None or previous is None else previous.further_topics
        self.further_topics: Mapping[str, int] = further or {}
        self.cluster = Cluster(partitions | dict(self.further_topics), "id", {}, next_id="next", next_partitions=4)
        ports = StagePorts(
            input_log=self.input,
            input_commits=self.input,
            label_log=self.labels,
            label_commits=self.labels,
            changelog=self.changelog,
            writers=self.changelog,
            followed=self.followed,
            gaps=self.changelog,
            sender=self.sender,
        )
        self.stage: Stage = new_stage(
            settings=self.settings,
            engine=self.engine,
            observer=self.observer,
            cluster=self.cluster,
            ports=ports,
            rule_sets=self.rule_sets if self.engine.decides else None,
            exits=False,
            tracer=tracer or UNTRACED,
        )
        self._engine, self._given = engine, settings

    async def assign(self, *numbers: int) -> None:
        """A rebalance with all its steps: assigned, restored, resumed."""
        await self.stage.assignment.on_assigned(set(numbers))
        for number in numbers:
            self.stage.assignment.restore(number, self.changelog.read(number))
        await self.stage.assignment.resume(numbers)

    async def take_over(self, number: int = 0) -> int:
        """A rebalance that assigns the partition, whose changelog is read from where this worker says that it has read
        it up to, as Faust does. Returns how many records were read."""
        assignment = self.stage.assignment
        await assignment.on_assigned({*self.stage.partitions, number})
        records = self.changelog.records[number]
        first = assignment.changelog_written_to(number)
        read = tuple(records[first:])
        assignment.restore(number, RecordBatch(records_of(read), first, len(records), len(records)))
        await assignment.resume(set(self.stage.partitions))
        return len(read)

    async def process(self, *records: LogRecord, partition: int = 0, first: int | None = None) -> None:
        """One batch."""
        await self.stage.processor.process({partition: batch(*records, first=first)})

    async def checkpoint(self, number: int = 0) -> None:
        """A checkpoint of the partition, now."""
        await self.stage.checkpoints.take(self.stage.partitions[number])

    async def settle(self) -> None:
        """All outputs are acknowledged."""
        for partition in self.stage.partitions.values():
            await asyncio.gather(*partition.take_pending())

    def successor(self, **settings: Any) -> Worker:
        """A new process on the same topics; `settings` that differ."""
        return Worker(self._engine, self, **{**self._given, **settings})
