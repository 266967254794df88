"""What a checkpoint promises when the worker is told to stop in the midst of one. PartitionState, changelog: stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, Change
from fraudstream.stream.checkpoints.checkpoint import Checkpoints
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.observer import Unobserved
from fraudstream.stream.partition import Partition
from fraudstream.stream.topics.cluster import Cluster


class Rows:
    """A memory that tells each change once, as the engine's does."""

    layout = "one"
    rule_set = "0123456789abcdef"
    backfilling = False
    cut_over_to = None

    def __init__(self) -> None:
        self.changed: list[tuple[bytes, bytes]] = []
        self.sources: dict[str, int] = {}

    def changes(self) -> list[tuple[bytes, bytes]]:
        changed, self.changed = self.changed, []
        return changed


class Log:
    """A changelog that takes a checkpoint when it is let to."""

    def __init__(self) -> None:
        self.written: list[Change] = []
        self.begun, self.open = asyncio.Event(), asyncio.Event()

    async def write(self, records: Sequence[Change]) -> int:
        self.begun.set()
        await self.open.wait()
        self.written += records
        return len(self.written) - 1


class App:
    """As much of the stream's app as checkpoints need."""

    def __init__(self, partition: Partition) -> None:
        self.partitions = {0: partition}
        self.settings = SimpleNamespace(
            checkpoint_s=0.0, checkpoint_bytes_max=1, input_topic="payments", next_topic=None, checkpoint_mode="batch"
        )
        self.cluster = Cluster({"payments": 1}, "i", {})
        self.engine = SimpleNamespace(rule_set=SimpleNamespace(digest="d"))
        self.observer = Unobserved()

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        yield


async def test_a_checkpoint_in_hand_when_the_worker_stops_loses_no_row() -> None:
    rows, log = Rows(), Log()
    partition = Partition(0, cast(Any, rows), cast(Any, log), "batch")
    partition.frozen, partition.saved_offset = False, 0
    checkpoints = Checkpoints(cast(Any, App(partition)))
    rows.changed, partition.next_offset = [(b"a", b"1")], 10
    running = asyncio.create_task(checkpoints.run())
    await log.begun.wait()
    rows.changed, partition.next_offset = [(b"b", b"2")], 20  # judged while the checkpoint at 10 is written

    running.cancel()
    last = asyncio.create_task(checkpoints.take_last([partition]))
    for _ in range(50):  # it has come to where it waits
        await asyncio.sleep(0)
    log.open.set()
    await last

    assert [key for key, _ in log.written] == [b"a", CHECKPOINT_KEY, b"b", CHECKPOINT_KEY]
    assert partition.saved_offset == 20


async def test_after_a_checkpoint_that_was_broken_off_none_is_written_without_its_rows() -> None:
    rows, log = Rows(), Log()
    partition = Partition(0, cast(Any, rows), cast(Any, log), "transaction")
    partition.frozen, partition.saved_offset = False, 0
    checkpoints = Checkpoints(cast(Any, App(partition)))
    rows.changed, partition.next_offset = [(b"a", b"1")], 10
    broken_off = asyncio.create_task(checkpoints.take(partition))
    await log.begun.wait()
    broken_off.cancel()
    await asyncio.wait([broken_off])
    rows.changed, partition.next_offset = [(b"b", b"2")], 20
    log.open.set()

    with pytest.raises(WorkerFailure, match="a checkpoint was broken off after 0"):
        await checkpoints.take(partition)
    assert log.written == []
    assert partition.saved_offset == 0
