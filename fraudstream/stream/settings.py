"""What a worker needs to know to run, apart from its engine. `fraudstream worker` fills it from the command line's
settings."""

from __future__ import annotations

from typing import Literal

import msgspec

from fraudstream.kafka import Brokers

CheckpointMode = Literal["transaction", "batch"]

FETCH_WAIT_MS = {
    "transaction": 500,  # Apache Kafka answers as soon as there is data, so a long wait costs nothing
    "batch": 5,  # the embedded broker sleeps for half of it, data or not
}


def version_suffix(state_version: int) -> str:
    """What a state version adds to names; the first has those of before there were versions.

    >>> version_suffix(1), version_suffix(2)
    ('', '-v2')
    """
    return "" if state_version == 1 else f"-v{state_version}"


def log_between(group: str, payments_topic: str, stage: str, state_version: int) -> str:
    """What a stage behind the first reads: of one group and state version, for others may have other features."""
    return f"{group}-{payments_topic}-by-{stage}{version_suffix(state_version)}"


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`checkpoint_mode`: `transaction` on Apache Kafka, `batch` on a broker without sound transactions (embedded).
    `group` is the consumer group and the first part of the changelog's name and of
    transactional ids. `stage`: the entity whose past is kept; the first reads the payments, another what the one before
    it hands on, and where there is no `next_stage` it decides. `state_version`: above 1 it has a part in all names, so
    that a memory can be built beside the one in use. `backfill`: partitions of that version that have no memory yet
    begin one, from the log as far as it reaches, and decide nothing until a rule-set switch hands them over.

    `list_records_max` bounds a list, thus latency and revocation. A checkpoint is due after `checkpoint_s`, or when
    about `checkpoint_bytes_max` of state have changed. A stop takes at most half the session timeout for the last
    checkpoint, and 5 s to leave the group.
    """

    brokers: Brokers
    checkpoint_mode: CheckpointMode
    group: str = "fraudstream"
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
    list_records_max: int = 5000
    fetch_wait_ms: int | None = None
    checkpoint_s: float = 5.0
    checkpoint_bytes_max: int = 64 * 1024 * 1024
    session_timeout_s: float = 10.0
    heartbeat_s: float = 2.0
    group_instance_id: str | None = None

    @property
    def fetch_wait(self) -> int:
        return FETCH_WAIT_MS[self.checkpoint_mode] if self.fetch_wait_ms is None else self.fetch_wait_ms

    @property
    def app_id(self) -> str:
        """Name of the Faust app: group, stage and state version, so that no two of them share offsets."""
        return f"{self.group}-{self.stage}{version_suffix(self.state_version)}"

    @property
    def input_topic(self) -> str:
        return self.payments_topic if self.stage_is_first else self._log_of_stage(self.stage)

    @property
    def topics_read(self) -> tuple[str, ...]:
        """By agents; where they read on is up to nobody but `ConsumerThread.seek_all`."""
        return (self.input_topic,) if self.labels_topic is None else (self.input_topic, self.labels_topic)

    @property
    def next_topic(self) -> str | None:
        """Where payments go on to the next stage."""
        return None if self.next_stage is None else self._log_of_stage(self.next_stage)

    def _log_of_stage(self, stage: str) -> str:
        return log_between(self.group, self.payments_topic, stage, self.state_version)

    @property
    def changelog_topic(self) -> str:
        return f"{self.app_id}-state-changelog"

    @property
    def revoke_s_max(self) -> float:
        """The last checkpoint of a partition that leaves must be done well before the group gives the worker up."""
        return self.session_timeout_s / 2
