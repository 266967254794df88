"""What a stage needs from the outside, as small protocols that hide Kafka and its clients.

`fraudstream.stream.faust` implements them on Faust and aiokafka, the unit tests in memory. All methods are called in
the stage's event loop. A method without `async` must return at once and must not do I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fraudstream.contracts.log_record import LogRecord
from fraudstream.stream.checkpoints.changelog import AcceptedGap

if TYPE_CHECKING:
    from fraudstream.engine.engine import Engine
    from fraudstream.engine.packed_records import PackedRecords
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.kafka.record_batch.writer import WrittenRecords


class InputLog(Protocol):
    """A topic that the stage reads, by partition number. Offsets are those of the topic's records."""

    async def seek(self, partition: int, offset: int) -> None:
        """Continue fetching at `offset`. Records fetched from other offsets are dropped, also those already in transit.

        A partition that is no longer assigned is ignored.
        """

    async def earliest(self, partition: int) -> int:
        """The offset of the first record that retention has kept. Raises if no broker answers."""

    async def begins_at_ms(self, partition: int) -> int | None:
        """When that record was published, ms since the epoch; None if the brokers do not tell."""

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """The end offset of each partition, as its leader reports it now, and no less than a fetch has reported: the
        last stable offset, where there are transactions.

        Does not wait for a fetch. Raises one of `kafka.failures.BROKER_ERRORS` if no broker answers.
        """

    def end_now(self, partition: int) -> int:
        """The partition's end offset as the last fetch reported it, 0 before the first: the last stable offset, where
        there are transactions."""

    def high_watermark_now(self, partition: int) -> int:
        """The offset after the last record, stable or not, from the same fetch; 0 before the first."""

    def records_behind(self, partition: int, end: int, next_offset: int) -> int:
        """How many records lie between `next_offset` and `end`; 0 if only transaction markers do."""


class OffsetCommits(Protocol):
    """Commits offsets of one topic to the stage's consumer group."""

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """`offsets`: by partition, the next one to read. May take as long as the group's coordinator is away, so the
        caller sets a time limit. Raises what the client raises."""


class Changelog(Protocol):
    """The parts of the stage's changelog topic that assignment and recovery need."""

    async def extents(self, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """First offset and end offset of the committed records of each partition, now."""

    def recovery_ends(self) -> Mapping[int, int]:
        """By partition, the offset up to which the recovery in progress reads; lacks those not known yet."""


class ChangelogPart(NamedTuple):
    """What a read of one partition of the changelog found: `records`, and `next`, where the next read begins. `end`:
    of its committed records; None while unknown. `lost`: its first record is now above the position of the read."""

    records: Sequence[LogRecord]
    next: int
    end: int | None
    lost: bool = False


class FollowsChangelog(Protocol):
    """Reads on in partitions of the changelog that other workers write."""

    async def read(self, positions: Mapping[int, int | None]) -> Mapping[int, ChangelogPart]:
        """By partition, the committed records from these offsets on, None: from the first one on. Waits a moment if
        there are none. Raises one of `kafka.failures.BROKER_ERRORS` if no broker answers."""

    async def close(self) -> None:
        """Release the client. Bounded in time."""


class AcceptedGaps(Protocol):
    """The gaps that operators have accepted, in the stage's changelog topic."""

    async def accepted(self, partition: int, begin: int) -> tuple[Mapping[int, AcceptedGap], int]:
        """Those from the changelog offset `begin` on, by the offset of the first missing record, and the offset to
        begin with next time. Raises one of `kafka.failures.BROKER_ERRORS` if no broker answers."""


class ChangelogWriter(Protocol):
    """Writes one partition's checkpoints. What any method raises is final: the worker exits."""

    async def fence(self, epoch: str) -> None:
        """Once it has returned, records that a previous owner writes do not count. Called once, before recovery
        reads."""

    async def write(self, records: Sequence[PackedRecords]) -> int:
        """Make `records` durable as one unit, the checkpoint record last. Bounded in time.

        Returns the offset up to which no other owner has written since `fence`: that of the last record, if so.
        """

    async def close(self) -> None:
        """Release the client. Bounded in time; writes nothing."""


class ChangelogWriters(Protocol):
    """Makes the writers of the stage's partitions."""

    async def writer(self, partition: int) -> ChangelogWriter:
        """A writer of this partition that has not fenced the previous owner yet."""

    async def close(self) -> None:
        """Release what the writers share, after all of them are closed."""


class RecordSender(Protocol):
    """The producer of a stage's outputs."""

    @property
    def batch_bytes_max(self) -> int:
        """Bytes of a record batch before it is compressed; a larger record gets a batch of its own."""

    async def send_batch(self, batch: WrittenRecords, topic: str, partition: int) -> None:
        """Send `batch` in the codec of the topic; returns when the brokers have acknowledged it. Raises what the client
        raises."""


class FailureHandler(Protocol):
    """What to do with an error that the worker cannot continue after."""

    def fail(self, error: BaseException) -> None:
        """Stop processing, commit nothing more, report `error`. Later errors are ignored: they follow from it."""

    def failing(self) -> AbstractAsyncContextManager[None]:
        """A context in which every error but a cancellation is passed to `fail`, and then raised."""


class RuleSetSource(Protocol):
    """The rule sets that the stage can evaluate. Methods raise `PermanentFailure` if a required rule set is not
    available."""

    @property
    def engines(self) -> Mapping[str, Engine]:
        """Engines by the digest of their rule set: those loaded so far."""

    async def load(self, digests: Iterable[str]) -> None:
        """Load those of `digests` that are available and not loaded yet."""

    async def begin(self, state: PartitionState, first_offset: int) -> None:
        """Put the rule set and lists in force into the state of a partition that has no checkpoint."""

    async def begin_again(self, state: PartitionState, first_offset: int, named_by: str) -> None:
        """As `begin` for a partition whose checkpoint names the rule set, but to which nothing was applied yet."""

    async def resume(self, state: PartitionState, named_by: str) -> None:
        """Load the rule set that `state` names. `named_by`: what named it, for the error message."""

    async def catch_up(self, state: PartitionState, named_by: str) -> None:
        """Records of the log are missing, controls perhaps among them: put the newest list entries and the last switch
        into `state`."""

    def lacks_controls(self, first_offset: int) -> bool:
        """Whether a log that begins at `first_offset` may lack controls that are in force."""


class BackgroundService(Protocol):
    """Runs in a worker alongside its stages, such as a watchdog of the event loop."""

    async def start(self) -> None:
        """Start in the running event loop; returns once started."""

    async def stop(self) -> None:
        """Stop; returns once stopped."""
