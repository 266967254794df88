"""The topics of one run on a shared broker, and the settings of its processes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from fraudstream.cli.rule_files import stages_of_directory
from fraudstream.engine.identifier_key import PUBLIC_SECRET
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.stream.settings import ALL_ENTITIES, CheckpointMode, StreamSettings
from fraudstream.stream.topics.file import Topic

SEGMENT_BYTES = 1 << 20  # small, so that the broker compacts during the run


class Environment(NamedTuple):
    """Where a run takes place. `kafka`: Apache Kafka, else the embedded broker. `suffix`: unique to the run.

    `checkpoint_s`, `session_s`: checkpoint interval and session timeout of the workers, in seconds. `single`: one stage
    keeps all entities, which needs one partition. `standby`: the workers are standbys of each other.
    """

    brokers: Brokers
    redis_url: str
    kafka: bool
    suffix: str
    partitions: int
    rules: Path
    checkpoint_s: float = 1.0
    replication: int = 1
    session_s: float = 6.0  # the minimum that Kafka allows by default
    single: bool = False
    standby: bool = False

    @property
    def mode(self) -> CheckpointMode:
        """Checkpoint mode: transactions on Kafka, batches on the embedded broker."""
        return "transaction" if self.kafka else "batch"

    @property
    def group(self) -> str:
        """Consumer group of the workers."""
        return f"chaos-{self.suffix}"

    @property
    def cases_group(self) -> str:
        """Consumer group of the case processor."""
        return f"{self.group}-cases"

    @property
    def stages(self) -> list[StreamSettings]:
        """Settings of each stage that the rules need, in order."""
        names = _stages_of(self.rules)
        if self.single and len(names) > 1:
            names = [ALL_ENTITIES]
        return [
            StreamSettings(
                brokers=self.brokers,
                checkpoint_mode=self.mode,
                group=self.group,
                payments_topic=self.topic("payments"),
                stage=name,
                stage_is_first=name == names[0],
            )
            for name in names
        ]

    @property
    def changelog(self) -> str:
        """Changelog topic of the first stage."""
        return self.stages[0].changelog_topic

    def topic(self, name: str) -> str:
        """The name of `payments`, `labels`, `decisions`, `alerts`, `dead-letters`, `cases`, `case-actions`,
        `case-answers`, `notices`, `notice-answers` or `controls` in this run."""
        return f"{name}-{self.suffix}"

    def topics(self) -> list[Topic]:
        """All topics of the run with their settings."""
        stamped = {
            "message.timestamp.type": "LogAppendTime"
        }  # the broker's clock, because faults adjust the workers' clocks
        compacted = {
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.1",
            "segment.bytes": str(SEGMENT_BYTES),
        }
        configs = {
            "payments": stamped,
            "labels": stamped,
            "decisions": stamped,
            "alerts": stamped,
            "dead-letters": {},
            "cases": {"cleanup.policy": "compact"},
            "case-actions": {},
            "case-answers": {},
            "notices": {},
            "notice-answers": {},
            "controls": {"cleanup.policy": "compact"},
        }
        named = {self.topic(name): config for name, config in configs.items()}
        named |= {stage.input_topic: stamped for stage in self.stages}
        named |= {stage.changelog_topic: compacted for stage in self.stages}
        return [
            Topic(name, self.partitions, self.replication, config if self.kafka else {})
            for name, config in named.items()
        ]

    async def create_topics(self) -> None:
        """Create the topics on the broker."""
        await apply_topics(self.brokers, self.topics())

    def flags(self) -> list[str]:
        """Command line flags with the settings of `worker` and `cases`."""
        settings = {
            "kafka.bootstrap_servers": self.brokers.servers,
            "redis.url": self.redis_url,
            "rules.directory": str(self.rules),
            "metrics.port": "0",
            "metrics.cases_port": "0",
            "worker.group": self.group,
            "worker.stages": "single" if self.single else "chain",
            "worker.standby": str(self.standby).lower(),
            "worker.checkpoint_mode": self.mode,
            "worker.checkpoint_interval_s": str(self.checkpoint_s),
            "worker.session_timeout_s": str(self.session_s),
            "identifiers.secret": PUBLIC_SECRET.hex(),  # as the verifier's engines have
            "cases.group": self.cases_group,
            "topics.payments": self.topic("payments"),
            "topics.labels": self.topic("labels"),
            "topics.decisions": self.topic("decisions"),
            "topics.alerts": self.topic("alerts"),
            "topics.dead_letters": self.topic("dead-letters"),
            "topics.cases": self.topic("cases"),
            "topics.case_actions": self.topic("case-actions"),
            "topics.case_answers": self.topic("case-answers"),
            "topics.notices": self.topic("notices"),
            "topics.notice_answers": self.topic("notice-answers"),
            "topics.audit": self.topic("audit"),
            "topics.controls": self.topic("controls"),
        }
        return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


@cache
def _stages_of(rules: Path) -> list[str]:
    return stages_of_directory(rules)
