"""The settings of a worker, apart from its engine. `fraudstream worker` fills them in from the command line's
settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from fraudstream.contracts.hidden_fields import repr_without
from fraudstream.contracts.record_signature import NOT_REQUIRED, RecordSignatures
from fraudstream.engine.partitioners import Partitioner
from fraudstream.engine.placement import MisplacedPolicy, Placement
from fraudstream.kafka import Brokers
from fraudstream.kafka.compression import DEFAULT_CODEC, Codec

CheckpointMode = Literal["transaction", "batch"]
StageForm = Literal["auto", "single", "chain"]

ALL_ENTITIES: Final = "all"  # name of the single stage: no entity may have it
FETCH_WAIT_MS: Final = 500  # a broker answers as soon as there is data, so a long wait costs nothing


def version_suffix(state_version: int) -> str:
    """What a state version appends to names; the first one appends nothing.

    >>> version_suffix(1), version_suffix(2)
    ('', '-v2')
    """
    return "" if state_version == 1 else f"-v{state_version}"


def log_between(group: str, payments_topic: str, stage: str, state_version: int) -> str:
    """The log that a stage after the first reads: of one group and state version, as others may have other features."""
    return f"{group}-{payments_topic}-by-{stage}{version_suffix(state_version)}"


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`checkpoint_mode`: `transaction` on Apache Kafka, `batch` on a broker without transactions (the embedded one).
    `group`: the consumer group, and the first part of the names of changelogs and transactional ids. `stages`: the form
    of the stages, see `stages`. `stage`: the entity whose history is kept, or `ALL_ENTITIES`; the first stage reads the
    payments, another the log that the one before forwards to; without a `next_stage` it decides. `state_version`: above
    1 it is part of all names, so that a state can be backfilled beside the one in use. `backfill`: partitions without a
    state of that version begin one, from the log as far as it reaches, and decide nothing until a rule-set switch cuts
    over to them.

    `batch_records_max`: records of a batch at most, which bounds latency and the time a revocation takes. A checkpoint
    is due after `checkpoint_s` seconds, or when about `checkpoint_bytes_max` bytes of state have changed. A stop takes
    at most half the session timeout for the last checkpoint, and 5 s to leave the group.
    `decisions`: whether decisions are published; `answer_unjudged`: then also for records that cannot be judged.
    `identifier_secret`: the deployment's secret, 16 bytes; None: the one that the topic `controls` keeps.
    `signatures`: those that controls and labels in the log must have, and get from who writes them.
    `reply_topics`: the topics to which answers may be sent that a payment's headers ask for, see `replies`: names, or
    beginnings of names with a `*` after them.
    `…_codec`: of the topics that other programs read; the changelog and the logs between stages have their own.
    `output_batch_bytes_max`: bytes of an output's record batch, before compression.
    A running worker checks every `topic_check_s` seconds that its topics are still those it started with. `standby`:
    follow the changelogs of the partitions that other workers own, see `standby`.

    `partitioner`: of the publishers of payments; `any`: they place records as they like. `misplaced`: what happens to
    records that are elsewhere, see `engine.placement`.
    """

    brokers: Brokers
    checkpoint_mode: CheckpointMode
    group: str = "fraudstream"
    stages: StageForm = "chain"
    stage: str = "account"
    stage_is_first: bool = True
    next_stage: str | None = None
    state_version: int = 1
    backfill: bool = False
    payments_topic: str = "payments"
    labels_topic: str | None = "labels"
    decisions_topic: str = "decisions"
    alerts_topic: str = "alerts"
    dead_letters_topic: str = "dead-letters"
    controls_topic: str = "controls"
    decisions: bool = True
    answer_unjudged: bool = True
    reply_topics: tuple[str, ...] = ("replies", "replies-*")
    decisions_codec: Codec = DEFAULT_CODEC
    alerts_codec: Codec = DEFAULT_CODEC
    dead_letters_codec: Codec = DEFAULT_CODEC
    payments_codec: Codec = DEFAULT_CODEC
    replies_codec: Codec = "none"
    output_batch_bytes_max: int = 512 * 1024
    batch_records_max: int = 5000
    fetch_wait_ms: int | None = None
    checkpoint_s: float = 5.0
    checkpoint_bytes_max: int = 64 * 1024 * 1024
    session_timeout_s: float = 10.0
    heartbeat_s: float = 2.0
    topic_check_s: float = 10.0
    standby: bool = False
    group_instance_id: str | None = None
    partitioner: Partitioner | Literal["any"] = "murmur2"
    misplaced: MisplacedPolicy = "repartition"
    identifier_secret: bytes | None = None
    signatures: RecordSignatures = NOT_REQUIRED

    def __repr__(self) -> str:
        """Without the secret, as this may be logged."""
        return repr_without(self, "identifier_secret")

    @property
    def fetch_wait(self) -> int:
        """How long a broker may delay an empty answer to a fetch, ms."""
        return FETCH_WAIT_MS if self.fetch_wait_ms is None else self.fetch_wait_ms

    @property
    def app_id(self) -> str:
        """Name of the Faust app: group, stage and state version, so that no two of them share offsets."""
        return f"{self.group}-{self.stage}{version_suffix(self.state_version)}"

    @property
    def input_topic(self) -> str:
        """The topic that the stage processes."""
        return self.payments_topic if self.stage_is_first else self._log_of_stage(self.stage)

    @property
    def repartitions(self) -> bool:
        """Whether the stage copies misplaced records to the partition of their key."""
        return self.stage_is_first and self.partitioner != "any" and self.misplaced == "repartition"

    def placement(self, partition: int, partitions: int) -> Placement | None:
        """Where the records of a partition of the input belong; None if that is not checked. `partitions`: of the
        input."""
        if self.partitioner == "any" or not self.stage_is_first:
            return None
        return Placement(partition, partitions, self.partitioner, self.misplaced)

    @property
    def topics_read(self) -> tuple[str, ...]:
        """Topics whose batches go to agents; only `ConsumerThread.seek_all` sets where they are read."""
        return (self.input_topic,) if self.labels_topic is None else (self.input_topic, self.labels_topic)

    @property
    def next_topic(self) -> str | None:
        """The log of the next stage, None if the stage decides."""
        return None if self.next_stage is None else self._log_of_stage(self.next_stage)

    @property
    def writes_decisions(self) -> bool:
        """Whether the stage writes to the decisions topic: the last one, and all that refuse records."""
        return self.decisions and (self.next_stage is None or self.answer_unjudged)

    def _log_of_stage(self, stage: str) -> str:
        return log_between(self.group, self.payments_topic, stage, self.state_version)

    @property
    def changelog_topic(self) -> str:
        """The topic that holds the stage's states and positions."""
        return f"{self.app_id}-state-changelog"

    def is_reply_topic(self, topic: str) -> bool:
        """Whether answers may be sent to `topic`."""
        return any(topic.startswith(name[:-1]) if name.endswith("*") else topic == name for name in self.reply_topics)

    @property
    def codecs(self) -> Mapping[str, Codec]:
        """The codec of each topic that other programs read."""
        return {
            self.decisions_topic: self.decisions_codec,
            self.alerts_topic: self.alerts_codec,
            self.dead_letters_topic: self.dead_letters_codec,
            self.payments_topic: self.payments_codec,
        }

    @property
    def revoke_s_max(self) -> float:
        """Seconds for the last checkpoint of a revoked partition: well before the group removes the worker."""
        return self.session_timeout_s / 2
