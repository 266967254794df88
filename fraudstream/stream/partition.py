"""One partition of the input topic that this worker owns: its state, its position, its pending acknowledgements."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fraudstream.stream.checkpoints.changelog import EPOCH_KEY, AcceptedGap, ChangelogRestorer, Row
from fraudstream.stream.failure import PermanentFailure, WorkerFailure
from fraudstream.stream.outputs import Acknowledgement
from fraudstream.stream.settings import CheckpointMode

if TYPE_CHECKING:
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.stream.ports import ChangelogWriter
    from fraudstream.stream.standby import StandbyPartition

PENDING_MAX = 16  # unacknowledged batches; processing waits while there are more
PENDING_PER_TARGET_MAX = 2  # or this many for each partition that outputs go to
BYTES_PER_EVENT = 300  # estimate until the first checkpoint has been measured


class Partition:
    """`number`: of the input topic. `begin`: offset of the first record that `state` has seen or will see.
    `next_offset`: of the first record not applied to it yet. `saved_offset`: `next_offset` of the last checkpoint, -1
    before the first.

    `resumed_at`: as in its checkpoint. `accepted_gaps`: by the offset of their first record, those known from the
    changelog. `stopped`: why it is not processed, although it is owned; None unless it has a fault.

    `restorer`: reads the changelog into `state`; None once the partition is opened. `frozen`: nothing may be applied,
    which is so before recovery and after the last checkpoint. `checkpoint_incomplete`: the rows of a checkpoint are
    copied and not yet durable. `seeded`: as in its checkpoint. `backfilled_only`: while a state version is backfilled,
    all records so far were forwarded by the stage before to be backfilled, not decided. `applied`: events since the
    last checkpoint. `pending`: acknowledgements that the next checkpoint awaits.

    `lock` is held from the moment a batch is applied until all its outputs are passed to the producer, and while a
    checkpoint copies: so a checkpoint never falls between a payment and its decision. `checkpoint_lock` serialises
    checkpoints.
    """

    def __init__(
        self, number: int, state: PartitionState, writer: ChangelogWriter, mode: CheckpointMode, partitions: int = 1
    ) -> None:
        """`partitions`: how many partitions its records are forwarded to."""
        self.number = number
        self.state = state
        self.writer = writer
        self.epoch = secrets.token_hex(6)
        self.restorer: ChangelogRestorer | None = ChangelogRestorer(state, mode)
        self.opened_at = time.monotonic()
        self.frozen = True
        self.checkpoint_incomplete = False
        self.begin = 0
        self.seeded = False
        self.backfilled_only = False
        self.resumed_at = 0
        self.accepted_gaps: dict[int, AcceptedGap] = {}
        self.gaps_read_to = 0  # changelog offset
        self.stopped: PermanentFailure | None = None
        self.next_offset = -1
        self.saved_offset = -1
        self.changelog_begin = 0  # where recovery begins to read
        self.changelog_read = 0  # offset after the last record that recovery has read
        self.changelog_due = 0  # how far it has to read: the end when the previous owner was fenced
        self.changelog_end: int | None = None  # the last record up to which only this owner wrote
        self.pending: set[Acknowledgement] = set()
        self._pending_max = max(PENDING_MAX, PENDING_PER_TARGET_MAX * partitions)
        self.lock = asyncio.Lock()
        self.checkpoint_lock = asyncio.Lock()
        self.checkpoint_at = time.monotonic()
        self.applied = 0
        self.bytes_per_event = float(BYTES_PER_EVENT)

    def continue_from(self, read: StandbyPartition) -> None:
        """Recover from what a standby has read of the changelog. Called before anything else has read it."""
        assert read.next is not None, f"partition {self.number}: the standby has read nothing"
        self.state, self.restorer, self.changelog_read = read.state, read.restorer, read.next

    @property
    def recovering(self) -> bool:
        """The changelog is not read to its end yet, or the partition not opened."""
        return self.restorer is not None and self.stopped is None

    @property
    def never_applied(self) -> bool:
        """No record was applied to the state yet, and it has no rows."""
        return self.next_offset == self.begin and not self.seeded

    @property
    def after_gap(self) -> bool:
        """Records are missing before the next one, and nothing was applied since their loss was accepted."""
        return 0 < self.resumed_at == self.next_offset

    @property
    def backfilling(self) -> bool:
        """This state version has not decided any of its records yet."""
        return self.backfilled_only or self.state.backfilling

    @property
    def cut_over(self) -> bool:
        """Its log named a later state version, which decides from there on."""
        return self.state.cut_over

    @property
    def dirty_bytes(self) -> float:
        """Estimate of what the next checkpoint has to write, from what the last one wrote per event."""
        return self.applied * self.bytes_per_event

    def check_checkpoint_complete(self) -> None:
        """Raises `WorkerFailure` if a checkpoint was cancelled after its copy: the next one would lack its rows."""
        if self.checkpoint_incomplete:
            raise WorkerFailure(
                f"partition {self.number}: a checkpoint was cancelled after {self.saved_offset}. Start the worker "
                "again: it continues from there."
            )

    def check_fully_restored(self) -> None:
        """Raises `WorkerFailure` if recovery left out what a previous owner has written."""
        if self.changelog_read < self.changelog_due:
            raise WorkerFailure(
                f"partition {self.number}: recovery ended at {self.changelog_read} of the changelog, which ends at "
                f"{self.changelog_due}. Start the worker again."
            )

    def check_still_owner(self, records: Iterable[Row]) -> None:
        """Raises `WorkerFailure` if another owner's epoch begins in `records`: this process was paused for longer than
        its session timeout and missed the rebalance. Readers ignore what it would write, so it must not continue."""
        if any(row.key == EPOCH_KEY and row.value != self.epoch.encode() for row in records):
            raise WorkerFailure(
                f"Another worker has taken over partition {self.number}. After a restart, this one continues "
                "from the other's last checkpoint."
            )

    def take_pending(self) -> set[Acknowledgement]:
        """The pending acknowledgements, which the caller awaits from now on."""
        pending, self.pending = self.pending, set()
        return pending

    async def limit_pending(self) -> None:
        """Drop what is acknowledged, and wait while too much is not. Raises the error of a send that failed.

        What is awaited here stays pending: a checkpoint that begins meanwhile has to await it as well.
        """
        self._drop_acknowledged()
        while len(self.pending) > self._pending_max:
            await asyncio.wait(self.pending, return_when=asyncio.FIRST_COMPLETED)
            self._drop_acknowledged()

    def _drop_acknowledged(self) -> None:
        for done in [pending for pending in self.pending if pending.done()]:
            self.pending.remove(done)
            done.result()
