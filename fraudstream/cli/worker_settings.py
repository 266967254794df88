"""[worker]: how workers share the log, checkpoint it and answer."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.contracts.duration import parse_duration

ALL_STAGES: Final = "all"


class WorkerSettings(msgspec.Struct, frozen=True):
    """[worker]"""

    group: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9._-]{1,100}$",
            description="consumer group, and first part of the changelog topic's name",
        ),
    ] = "fraudstream"
    processes: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="worker processes under a supervisor that restarts them; by default one, unsupervised"),
    ] = None
    stages: Annotated[
        Literal["auto", "single", "chain"],
        Meta(
            description=(
                "single: one stage keeps all entities, from one log; chain: a stage for each entity; auto: single if "
                "the payments topic has one partition, else chain"
            )
        ),
    ] = "auto"
    stage: Annotated[
        str,
        Meta(pattern="^[a-z][a-z0-9_]{0,63}$", description="of a chain, the stage that this worker runs, or all"),
    ] = ALL_STAGES
    state_version: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="version of the state: raise it to backfill a new one beside that in use"),
    ] = 1
    backfill: Annotated[
        bool, Meta(description="backfill a new state version from the log, and decide once it is activated")
    ] = False
    decisions: Annotated[bool, Meta(description="publish a decision for every payment")] = True
    answer_unjudged: Annotated[
        bool,
        Meta(description="publish a decision `unjudged` for a record that cannot be judged, beside its dead letter"),
    ] = True
    reply_topics: Annotated[
        str,
        Meta(
            description=(
                "topics, beside topics.replies, to which answers go that a payment's headers ask for: names separated "
                "by commas, or beginnings of names with a * after them"
            )
        ),
    ] = "replies-*"
    batch_records_max: Annotated[int, Meta(ge=1, le=100_000, description="most records in one batch")] = 5000
    fetch_wait_ms: Annotated[
        Annotated[int, Meta(ge=1, le=60_000)] | None,
        Meta(description="longest wait of a fetch for data, in ms; by default 500"),
    ] = None
    standby: Annotated[
        bool,
        Meta(
            description=(
                "keep the states of the partitions that other workers own up to date, too, to take over at once; as "
                "much memory as owning them"
            )
        ),
    ] = False
    group_instance_id: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,200}$")] | None,
        Meta(description="unique name of this worker, the same after a restart, so that a restart moves no partitions"),
    ] = None
    session_timeout_s: Annotated[
        float, Meta(ge=1, le=300, description="a worker that sends no heartbeat for this long loses its partitions")
    ] = 10.0
    checkpoint_interval_s: Annotated[float, Meta(gt=0, le=3600, description="time between checkpoints")] = 5.0
    checkpoint_bytes_max: Annotated[
        int, Meta(ge=65_536, description="a checkpoint is taken at once when this many bytes of state have changed")
    ] = 64 * 1024 * 1024
    checkpoint_mode: Annotated[
        Literal["transaction", "batch"],
        Meta(description="transaction: Apache Kafka; batch: a broker without transactions (embedded), one writer"),
    ] = "transaction"
    too_far_ahead: Annotated[
        str,
        Meta(
            pattern="^[1-9][0-9]{0,8}(s|m|h|d)$",
            description="most that occurred_at may be after publication, else a dead letter: 90s, 15m, 6h, 1d",
        ),
    ] = "1d"

    @property
    def too_far_ahead_ms(self) -> int:
        """The same in milliseconds."""
        return parse_duration(self.too_far_ahead)

    @property
    def reply_topic_names(self) -> tuple[str, ...]:
        """The reply topics, one by one. Raises `Failure`."""
        names = tuple(filter(None, (name.strip() for name in self.reply_topics.split(","))))
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,248}\*?", name):
                raise Failure(
                    f"worker.reply_topics: {name[:60]!r} is no topic's name, nor a beginning of at least one character "
                    "with a * after it."
                )
        return names
