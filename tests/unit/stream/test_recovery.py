"""A partition is opened only when its changelog is read back whole. Faust and the broker are stand-ins."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord

from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.app import StreamApp
from fraudstream.stream.faust.store import ArenaStore
from fraudstream.stream.faust.transport import RecordBatch
from fraudstream.stream.partition import Partition
from fraudstream.stream.state_versions import StateVersions


class App:
    """As much of the stream's app as going on after a recovery needs."""

    def __init__(self, partition: Partition, in_recovery: bool = False, starts: bool = False) -> None:
        signal = asyncio.Event()
        if starts:
            signal.set()
        self.partitions = {0: partition}
        self.tables = SimpleNamespace(recovery=SimpleNamespace(in_recovery=in_recovery, signal_recovery_start=signal))
        self.settings = SimpleNamespace(changelog_topic="changelog")
        self.rule_sets = None
        self.opened: list[int] = []
        self.versions = StateVersions(cast(Any, self))
        self._generation = 0

    async def _open(self, partition: Partition) -> None:
        self.opened.append(partition.number)

    async def resume(self) -> None:
        await StreamApp.resume(cast(Any, self), {0})


class Rows:
    def __init__(self) -> None:
        self.restored: list[tuple[bytes, bytes]] = []
        self.backfilling = self.cut_over = False

    def restore(self, records: Any) -> None:
        self.restored += records


def partition(begin: int, read: int, due: int) -> Partition:
    made = Partition(0, cast(Any, Rows()), cast(Any, None), "transaction")
    made.changelog_begin, made.changelog_read, made.changelog_due = begin, read, due
    return made


@pytest.mark.parametrize("next_recovery", [{"in_recovery": True}, {"starts": True}])
async def test_the_end_of_one_recovery_opens_no_partition_of_the_next(next_recovery: dict[str, bool]) -> None:
    """Faust tells of the end with the partitions that it holds by then, of which some are not read back yet: opened,
    such a partition would judge its log from the beginning."""
    taken_over_since = partition(begin=0, read=0, due=900)
    app = App(taken_over_since, **next_recovery)
    await app.resume()
    assert app.opened == []
    assert taken_over_since.frozen


async def test_a_partition_that_is_not_read_back_is_never_opened() -> None:
    app = App(partition(begin=0, read=0, due=900))
    with pytest.raises(WorkerFailure, match="recovery ended at 0 of the changelog, which ends at 900"):
        await app.resume()
    assert app.opened == []


async def test_a_partition_that_is_read_back_is_opened() -> None:
    read_back = partition(begin=0, read=900, due=900)
    app = App(read_back)
    await app.resume()
    assert app.opened == [0]
    assert not read_back.frozen


def store(partition: Partition) -> ArenaStore:
    made = ArenaStore.__new__(ArenaStore)
    made.app = cast(Any, App(partition))
    return made


def row(offset: int) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("changelog", 0, offset, 0, 0, b"key", b"value", None, 3, 5, ())


def test_recovery_that_does_not_begin_at_the_beginning_is_refused() -> None:
    with pytest.raises(WorkerFailure, match="the records 0 to 499 were not delivered"):
        store(partition(begin=0, read=0, due=900))._restore(0, RecordBatch([row(500)], 500, 501, 900))


def test_markers_at_the_end_of_a_changelog_count_as_read() -> None:
    ends_with_a_marker = partition(begin=0, read=0, due=3)
    restoring = store(ends_with_a_marker)
    restoring._restore(0, RecordBatch([row(0), row(1)], 0, 2, 3))
    restoring._restore(0, RecordBatch((), 2, 3, 3))
    assert ends_with_a_marker.changelog_read == 3
    assert cast(Rows, ends_with_a_marker.state).restored == [(b"key", b"value")] * 2
