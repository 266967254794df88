"""The topics of one test on a shared broker, and workers on them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import msgspec
from aiokafka import ConsumerRecord

from fraudstream.contracts import Alert, DeadLetter, Decision
from fraudstream.engine.artefacts import ARTEFACTS_DIRECTORY
from fraudstream.engine.engine import Engine
from fraudstream.engine.identifier_key import PUBLIC_SECRET
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.stream.observer import Observer
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stages import stages_of
from fraudstream.stream.topics.file import Topic
from fraudstream.stream.worker import serve
from tests.integration.stream import topic_input, topic_output
from tests.integration.stream.payments import payment
from tests.integration.stream.process import ChildProcess
from tests.integration.stream.rules import RULES, engine, write_rules
from tests.integration.stream.topic_output import Enough, decision_of, judged, payments_decided

PARTITIONS = 4


class StreamCluster:
    """Topics, settings and workers of one test.

    `broker`: `host:port`, or the full settings of a connection. `kafka`: whether it is Apache Kafka, else the embedded
    one. `directory`: where the rule files and the logs of processes go. `rules`: the files of the rule set, texts by
    path. `partitions`: of the input topic of each stage, by the stage's name, and of the other topics by ''.
    `artefacts`: that the rules name, by their digest.
    """

    def __init__(
        self,
        broker: str | Brokers,
        unique_name: Callable[[str], str],
        directory: Path,
        kafka: bool = False,
        rules: Mapping[str, str] = RULES,
        partitions: Mapping[str, int] | int = PARTITIONS,
        artefacts: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self.rules = rules
        self.artefacts = artefacts
        self.kafka = kafka
        self.partitions = partitions
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
            # 6 s is the least that Kafka allows. On the embedded broker a killed member is noticed sooner.
            session_timeout_s=6.0 if kafka else 4.0,
            heartbeat_s=0.5,
            identifier_secret=PUBLIC_SECRET,
        )
        write_rules(directory, rules)
        for digest, content in artefacts.items():
            (directory / ARTEFACTS_DIRECTORY).mkdir(exist_ok=True)
            (directory / ARTEFACTS_DIRECTORY / digest).write_bytes(content)

    async def create_topics(self) -> None:
        """Create every topic that does not exist yet, those of each stage included."""
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
        """The settings of each stage, in their order."""
        return [settings for settings, _ in stages_of(self.settings, self.engine)]

    @property
    def deciding_engine(self) -> Engine:
        """A new engine of the last stage."""
        return list(stages_of(self.settings, self.engine))[-1][1]

    @property
    def engine(self) -> Engine:
        """A new engine of the rule set."""
        return engine(self.rules, self.artefacts)

    def partitions_of(self, stage: str) -> int:
        """Partitions of the input topic of a stage; of decisions, alerts, labels and dead letters for ''."""
        return self.partitions if isinstance(self.partitions, int) else self.partitions[stage]

    # Workers

    @asynccontextmanager
    async def worker(
        self,
        observer: Observer | None = None,
        settings: StreamSettings | None = None,
        stage: str | None = None,
        rules: Engine | None = None,
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A worker within this process, of one stage or of all, stopped in order when the block ends. Its failure is
        raised then."""
        stop = asyncio.Event()
        engine_of_worker = rules or (self.engine if stage is None else self.engine.of_stage(stage))
        running = asyncio.create_task(serve(settings or self.settings, engine_of_worker, observer, stop=stop))
        try:
            yield running
        finally:
            stop.set()
            await asyncio.wait([running])
        running.result()

    def start_process(
        self, name: str, other: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
    ) -> ChildProcess:
        """`fraudstream worker` as a child process that logs to `<name>.log`; `other`: settings that replace ours;
        `environment`: added to ours."""
        return self.start_command(name, ["worker"], other, environment)

    def start_command(
        self,
        name: str,
        words: Sequence[str],
        other: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> ChildProcess:
        """Another command as such a process."""
        return self._started(name, ["fraudstream.cli.main", *words], other, environment)

    def start_next_release(
        self, name: str, changes: Sequence[str], words: Sequence[str], other: Mapping[str, str] | None = None
    ) -> ChildProcess:
        """A command of the release after this one, with these `changes` of `next_release`."""
        return self._started(name, ["tests.integration.stream.next_release", *changes, "--", *words], other, None)

    def _started(
        self, name: str, words: Sequence[str], other: Mapping[str, str] | None, environment: Mapping[str, str] | None
    ) -> ChildProcess:
        command = [sys.executable, "-m", *words, *self.flags(other)]
        return ChildProcess(command, self.directory / f"{name}.log", environment)

    def flags(self, other: Mapping[str, str] | None = None) -> list[str]:
        """The `--set` flags with which any command works on these topics; `other`: settings that replace ours."""
        s = self.settings
        flags = {
            "kafka.bootstrap_servers": self.broker,
            "rules.directory": str(self.directory),
            "metrics.port": "0",
            "metrics.cases_port": "0",
            "worker.group": s.group,
            "worker.stages": s.stages,
            "worker.checkpoint_mode": s.checkpoint_mode,
            "worker.checkpoint_interval_s": str(s.checkpoint_s),
            "worker.session_timeout_s": str(s.session_timeout_s),
            "topics.payments": s.payments_topic,
            "topics.labels": str(s.labels_topic),
            "topics.decisions": s.decisions_topic,
            "topics.alerts": s.alerts_topic,
            "topics.dead_letters": s.dead_letters_topic,
            "topics.controls": s.controls_topic,
            **({} if s.identifier_secret is None else {"identifiers.secret": s.identifier_secret.hex()}),
        }
        return [
            word for setting, value in (flags | dict(other or {})).items() for word in ("--set", f"{setting}={value}")
        ]

    # Input

    async def publish(self, numbers: Iterable[int], accounts: int = 20) -> None:
        """Publish payments by their numbers, spread over `accounts` accounts."""
        await self.publish_records((f"a{n % accounts}".encode(), payment(n, f"a{n % accounts}")) for n in numbers)

    async def publish_records(
        self, records: Iterable[topic_input.KeyAndValue], topic: str | None = None, **send: object
    ) -> list[tuple[int, int]]:
        """`topic_input.publish_records`, to the payments topic unless `topic` names another one."""
        return await topic_input.publish_records(self.brokers, topic or self.settings.payments_topic, records, **send)

    # Output

    async def records(self, topic: str, enough: Enough) -> list[ConsumerRecord]:
        """`topic_output.read_records` of a topic of this cluster."""
        return await topic_output.read_records(self.brokers, topic, enough, self.kafka)

    async def ends(self, topic: str) -> dict[int, int]:
        """`topic_output.end_offsets` of a topic with `PARTITIONS` partitions."""
        return await topic_output.end_offsets(self.brokers, topic, PARTITIONS)

    async def decisions(self, payments: int) -> list[Decision]:
        """All decisions, once `payments` different payments are decided."""
        records = await self.records(self.settings.decisions_topic, payments_decided(payments))
        return [decision_of(record) for record in judged(records)]

    async def alerts(self, payments: int) -> list[Alert]:
        """All alerts, once there are alerts on `payments` different payments."""
        records = await self.records(self.settings.alerts_topic, payments_decided(payments))
        return [msgspec.json.decode(record.value, type=Alert) for record in records]

    async def dead_letters(self, count: int) -> list[DeadLetter]:
        """All dead letters, once there are `count`; without the marks of replays."""

        def complete(records: Sequence[ConsumerRecord]) -> bool:
            return sum(record.value is not None for record in records) >= count

        records = await self.records(self.settings.dead_letters_topic, complete)
        return [msgspec.json.decode(record.value, type=DeadLetter) for record in records if record.value is not None]
