"""A standby takes a partition over with what it has read of the changelog, and goes on exactly as a cold owner would.

All in memory, in mode `batch`: rows count once their checkpoint record is read, and none of another epoch do.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY
from fraudstream.stream.standby import Standby
from tests.unit.stream.in_memory import Record, Worker, payment


async def owner_of(payments: int) -> Worker:
    """A worker that has judged so many payments of partition 0, with a checkpoint of each."""
    worker = Worker()
    await worker.assign(0)
    await judge(worker, 0, payments)
    return worker


async def judge(worker: Worker, first: int, end: int) -> None:
    for offset in range(first, end):
        await worker.process(payment(offset))
        await worker.checkpoint()


def standby_of(worker: Worker) -> tuple[Worker, Standby]:
    follower = worker.successor(standby=True)
    assert follower.stage.standby is not None
    return follower, follower.stage.standby


async def test_a_takeover_reads_only_what_the_standby_has_not_read() -> None:
    owner = await owner_of(20)
    follower, standby = standby_of(owner)
    await standby.read_once()
    before = len(owner.changelog.records[0])
    await judge(owner, 20, 22)
    written = len(owner.changelog.records[0]) - before
    assert await follower.take_over() == written + 1, "what was written since, and the record that begins its epoch"
    assert follower.stage.assignment.positions() == {0: 22}


async def test_a_standby_that_was_interrupted_anywhere_ends_with_the_state_of_a_cold_owner() -> None:
    """Also within a checkpoint, and across the epochs of several owners."""
    random_ = random.Random(7)
    for _ in range(30):
        owner = await owner_of(random_.randrange(1, 5))
        successor = owner.successor()
        await successor.assign(0)
        await judge(successor, owner.stage.partitions[0].next_offset, owner.stage.partitions[0].next_offset + 3)
        records = successor.changelog.records[0]
        if random_.random() < 0.5:  # a checkpoint of which only the rows were written, before the owner died
            records.append(records[-2]._replace(offset=len(records)))
        follower, standby = standby_of(successor)
        follower.followed.at_most = random_.randrange(1, 9)
        for _ in range(random_.randrange(0, len(records))):
            await standby.read_once()
        cold = successor.successor()
        await follower.take_over()
        taken = follower.stage.partitions[0]
        await cold.assign(0)
        owned = cold.stage.partitions[0]
        assert (taken.next_offset, taken.state.rows, taken.state.watermark_ms) == (
            owned.next_offset,
            owned.state.rows,
            owned.state.watermark_ms,
        )
        next_offset = owned.next_offset
        for worker in (follower, cold):
            await worker.process(payment(next_offset))
        changed = taken.state.changes()
        assert changed
        assert sorted(changed) == sorted(owned.state.changes())


async def test_rows_without_their_checkpoint_never_count_though_the_standby_has_read_them() -> None:
    owner = await owner_of(2)
    follower, standby = standby_of(owner)
    await owner.process(payment(2))
    await owner.checkpoint()
    log = owner.changelog.records[0]
    assert log.pop().key == CHECKPOINT_KEY
    await standby.read_once()
    await follower.take_over()
    assert follower.stage.assignment.positions() == {0: 2}
    await follower.process(payment(2))
    assert follower.observer.judged[-1].payments == 1


async def test_what_is_read_while_the_partition_is_assigned_is_dropped() -> None:
    owner = await owner_of(5)
    follower, standby = standby_of(owner)
    await standby.read_once()
    follower.followed.gate.clear()
    reading = asyncio.create_task(standby.read_once())
    await asyncio.sleep(0)
    await judge(owner, 5, 7)
    await follower.take_over()
    rows = follower.stage.partitions[0].state.rows
    follower.followed.gate.set()
    await reading
    assert follower.stage.assignment.positions() == {0: 7}
    assert follower.stage.partitions[0].state.rows == rows
    assert 0 not in follower.observer.standby


async def test_a_changelog_that_was_created_again_is_read_from_its_beginning() -> None:
    owner = await owner_of(20)
    follower, standby = standby_of(owner)
    await standby.read_once()
    del owner.changelog.records[0][:]
    again = owner.successor()
    await again.assign(0)
    await judge(again, 0, 2)
    written = len(owner.changelog.records[0])
    assert await follower.take_over() == written + 1
    assert follower.stage.assignment.positions() == {0: 2}


async def test_a_standby_begins_again_where_records_after_those_it_has_read_were_deleted() -> None:
    owner = await owner_of(5)
    follower, standby = standby_of(owner)
    await standby.read_once()
    follower.followed.lost = {0}
    await standby.read_once()
    await standby.read_once()
    await follower.take_over()
    assert follower.stage.assignment.positions() == {0: 5}


async def test_a_changelog_that_cannot_be_read_is_left_to_the_worker_that_owns_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner = await owner_of(2)
    log = owner.changelog.records[0]
    log.append(Record(len(log), b"{}", CHECKPOINT_KEY))
    follower, standby = standby_of(owner)
    await standby.read_once()
    await standby.read_once()
    assert caplog.text.count("cannot be followed") == 1
    assert follower.observer.standby[0] is None
    await follower.take_over()
    assert follower.stage.stopped.numbers == {0}


async def test_a_standby_follows_all_partitions_that_it_does_not_own_and_reports_how_far_it_is_behind() -> None:
    owner = await owner_of(3)
    follower, standby = standby_of(owner)
    assert follower.observer.standby == {0: None, 1: None, 2: None, 3: None}
    follower.followed.at_most = 1
    await standby.read_once()
    records = len(owner.changelog.records[0])
    assert follower.observer.standby == {0: records - 1, 1: 0, 2: 0, 3: 0}
    await follower.take_over(0)
    assert set(follower.observer.standby) == {1, 2, 3}
    await follower.stage.assignment.on_revoked()
    await follower.stage.assignment.on_assigned({1})
    assert set(follower.observer.standby) == {0, 2, 3}


async def test_a_worker_that_is_no_standby_follows_nothing() -> None:
    assert (await owner_of(1)).stage.standby is None
