"""One partition of the input topic in this worker's hands: its memory, how far it has read, what it waits for."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fraudstream.stream.checkpoints.changelog import EPOCH_KEY, Replay, Row
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.outputs import Acknowledgement
from fraudstream.stream.settings import CheckpointMode

if TYPE_CHECKING:
    from fraudstream.engine.partition_state import PartitionState
    from fraudstream.stream.checkpoints.fencing import ChangelogWriter

PENDING_MAX = 16  # batches on their way to the broker; judging waits when there are more
PENDING_A_LANE_MAX = 2  # and where they go to many partitions, so many to each
BYTES_A_PAYMENT = 300  # until the first checkpoint has told


class Partition:
    """`number` of the input topic. `begin`: offset of the first record that `state` has seen or will see;
    `next_offset`: of the first not applied to it yet.

    `lock` is held from the moment a list is applied until all its answers are handed to the producer, and while a
    checkpoint copies: so a checkpoint never stands between a payment and its decision. `checkpoint_lock` keeps
    checkpoints apart. `checkpoint_incomplete`: the rows of a checkpoint are copied and not yet durable. `partitions`: partitions that its
    payments go on to. `seeded`: as of its checkpoint. `learns`: nothing has come that this state version decides, while
    it is built. While `frozen`, before recovery and after the last checkpoint,
    nothing may be applied.
    """

    def __init__(
        self, number: int, state: PartitionState, writer: ChangelogWriter, mode: CheckpointMode, partitions: int = 1
    ) -> None:
        self.number = number
        self.state = state
        self.writer = writer
        self.epoch = secrets.token_hex(6)
        self.replay: Replay | None = Replay(state, mode)
        self.opened_at = time.monotonic()
        self.frozen = True
        self.checkpoint_incomplete = False
        self.begin = 0
        self.seeded = False
        self.learns = False
        self.next_offset = -1
        self.saved_offset = -1
        self.changelog_begin = 0  # where recovery begins to read
        self.changelog_read = 0  # behind what recovery has read
        self.changelog_due = 0  # how far it has to read: the end, when the owner before was fenced
        self.changelog_end: int | None = None  # the last record up to which only this owner wrote
        self.pending: set[Acknowledgement] = set()
        self._pending_max = max(PENDING_MAX, PENDING_A_LANE_MAX * partitions)
        self.lock = asyncio.Lock()
        self.checkpoint_lock = asyncio.Lock()
        self.checkpoint_at = time.monotonic()
        self.applied = 0
        self.bytes_a_payment = float(BYTES_A_PAYMENT)

    @property
    def recovering(self) -> bool:
        return self.replay is not None

    @property
    def only_opened(self) -> bool:
        """Nothing was applied to the memory yet, and it has no rows."""
        return self.next_offset == self.begin and not self.seeded

    @property
    def backfilling(self) -> bool:
        """Nothing of it is decided by this state version yet."""
        return self.learns or self.state.backfilling

    @property
    def cut_over(self) -> bool:
        return self.state.cut_over

    @property
    def dirty_bytes(self) -> float:
        """Estimate of what the next checkpoint has to write, from what the last one wrote for each payment."""
        return self.applied * self.bytes_a_payment

    def check_whole(self) -> None:
        """Raises `WorkerFailure` if a checkpoint was broken off after its copy: the next one would lack its rows."""
        if self.checkpoint_incomplete:
            raise WorkerFailure(
                f"partition {self.number}: a checkpoint was broken off after {self.saved_offset}. Start the worker "
                "again: it goes on from there."
            )

    def check_read_back(self) -> None:
        """Raises `WorkerFailure` if recovery left out what a previous owner has written."""
        if self.changelog_read < self.changelog_due:
            raise WorkerFailure(
                f"partition {self.number}: recovery ended at {self.changelog_read} of the changelog, which ends at "
                f"{self.changelog_due}. Start the worker again."
            )

    def check_still_ours(self, records: Iterable[Row]) -> None:
        """Raises `WorkerFailure` if another owner's term began in `records`, of which we were not told: this process
        was paused beyond its session. Readers pass over what we would write, so it must not go on."""
        if any(row.key == EPOCH_KEY and row.value != self.epoch.encode() for row in records):
            raise WorkerFailure(
                f"Another worker has taken over partition {self.number} meanwhile. Started again, this one goes on "
                "from the other's last checkpoint."
            )

    def take_pending(self) -> set[Acknowledgement]:
        pending, self.pending = self.pending, set()
        return pending

    async def settle(self) -> None:
        """Forget what is acknowledged, and wait while too much is not. Raises if one failed.

        What is waited for here stays pending: a checkpoint that comes meanwhile has to wait for it as well.
        """
        self._forget_acknowledged()
        while len(self.pending) > self._pending_max:
            await asyncio.wait(self.pending, return_when=asyncio.FIRST_COMPLETED)
            self._forget_acknowledged()

    def _forget_acknowledged(self) -> None:
        for done in [pending for pending in self.pending if pending.done()]:
            self.pending.remove(done)
            done.result()
