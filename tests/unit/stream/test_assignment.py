"""A partition is opened only when its changelog is read whole, and left with a last checkpoint. All in memory."""

from __future__ import annotations

import asyncio

import pytest

from fraudstream.engine.engine import Engine
from fraudstream.engine.records import NO_RECORDS
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, EPOCH_KEY
from fraudstream.stream.failure import PermanentFailure, WorkerFailure
from fraudstream.stream.partition import Partition
from fraudstream.stream.record_batch import RecordBatch
from tests.unit.stream.in_memory import FEATURES, Record, Worker, batch, payment


async def a_changelog_of(records: int) -> Worker:
    """A worker that has judged so many payments and died, after a checkpoint of each."""
    worker = Worker()
    await worker.assign(0)
    for offset in range(records):
        await worker.process(payment(offset))
        await worker.checkpoint()
    return worker


async def assigned(worker: Worker) -> tuple[Partition, RecordBatch]:
    """The partition, assigned and not restored, and its changelog."""
    await worker.stage.assignment.on_assigned({0})
    return worker.stage.partitions[0], worker.changelog.read(0)


async def test_a_partition_that_is_not_restored_is_never_opened() -> None:
    successor = (await a_changelog_of(2)).successor()
    partition, changelog = await assigned(successor)
    expected = f"recovery ended at 0 of the changelog, which ends at {changelog.next}"
    with pytest.raises(WorkerFailure, match=expected):
        await successor.stage.assignment.resume({0})
    assert successor.observer.recoveries == []
    assert partition.frozen


async def test_a_partition_that_is_restored_is_opened() -> None:
    successor = (await a_changelog_of(2)).successor()
    await successor.assign(0)
    assert successor.observer.recoveries == [0]
    assert not successor.stage.partitions[0].frozen
    assert successor.rule_sets.calls == ["resume"]
    assert successor.stage.assignment.positions() == {0: 2}


async def test_a_new_partition_begins_at_the_first_offset_of_its_log() -> None:
    worker = Worker()
    worker.input.first[0] = 7
    await worker.assign(0)
    assert worker.stage.assignment.positions() == {0: 7}
    assert worker.rule_sets.calls == ["begin"]


async def test_a_partition_that_was_only_opened_begins_again_with_the_rule_set_of_its_checkpoint() -> None:
    successor = (await a_changelog_of(0)).successor()
    await successor.assign(0)
    assert successor.rule_sets.calls == ["begin_again"]


LISTED = compile_rule_set(
    {"features.yaml": FEATURES, "lists.yaml": "lists:\n  watched: {of: device_id, kind: watch, description: test}\n"}
)


async def test_list_entries_that_stand_in_for_missing_controls_are_in_the_first_checkpoint() -> None:
    worker = Worker(Engine(LISTED))
    worker.input.first[0] = 7
    worker.rule_sets.seeds = [("watched", "a")]
    await worker.assign(0)
    assert len(worker.changelog.keys()) == 3, "the opening record, the entry, and a checkpoint record"
    assert worker.changelog.keys()[0] == worker.changelog.keys()[2] == CHECKPOINT_KEY

    successor = worker.successor()
    successor.rule_sets.seeds = []
    await successor.assign(0)
    assert successor.rule_sets.calls == ["resume"], "it has rows: it was seeded"
    assert successor.stage.partitions[0].next_offset == 7


async def test_recovery_that_does_not_begin_at_the_beginning_is_refused() -> None:
    successor = (await a_changelog_of(2)).successor()
    _, changelog = await assigned(successor)
    later = RecordBatch(changelog.records[2:], 2, changelog.next, changelog.end)
    with pytest.raises(WorkerFailure, match="the records 0 to 1 were not delivered"):
        successor.stage.assignment.restore(0, later)


async def test_markers_at_the_end_of_a_changelog_count_as_read() -> None:
    successor = (await a_changelog_of(1)).successor()
    partition, changelog = await assigned(successor)
    partition.changelog_due += 1  # a marker, which is never delivered
    successor.stage.assignment.restore(0, changelog)
    end = changelog.next
    successor.stage.assignment.restore(0, RecordBatch(NO_RECORDS, end, end + 1, end + 1))
    assert partition.changelog_read == end + 1
    await successor.stage.assignment.resume({0})
    assert not partition.frozen


async def test_records_that_are_delivered_twice_are_restored_once() -> None:
    successor = (await a_changelog_of(2)).successor()
    partition, changelog = await assigned(successor)
    assert partition.restorer is not None
    successor.stage.assignment.restore(0, changelog)
    read = partition.restorer.records
    successor.stage.assignment.restore(0, changelog)
    assert partition.restorer.records == read


async def test_a_changelog_without_a_checkpoint_is_refused() -> None:
    worker = Worker()
    worker.changelog.records[0].append(Record(0, b"row", b"key"))
    with pytest.raises(PermanentFailure, match="has 1 records but no checkpoint"):
        await worker.assign(0)


async def test_an_owner_that_another_one_replaced_in_its_absence_fails() -> None:
    worker = await a_changelog_of(1)
    with pytest.raises(WorkerFailure, match="Another worker has taken over partition 0"):
        worker.stage.assignment.restore(0, batch(Record(9, b"another epoch", EPOCH_KEY)))


async def test_a_revocation_takes_a_last_checkpoint_and_freezes() -> None:
    worker = await a_changelog_of(1)
    await worker.process(payment(1))
    await worker.stage.assignment.on_revoked()
    assert worker.stage.partitions[0].saved_offset == 2
    assert worker.input.committed == {0: 2}
    await worker.process(payment(2))
    assert worker.stage.partitions[0].next_offset == 2


async def test_a_partition_that_stays_in_a_rebalance_continues_without_recovery() -> None:
    worker = await a_changelog_of(1)
    await worker.stage.assignment.on_revoked()
    await worker.stage.assignment.on_assigned({0})
    await worker.stage.assignment.resume({0})
    await worker.process(payment(1))
    assert worker.stage.partitions[0].next_offset == 2
    assert worker.observer.recoveries == [0]


async def test_a_partition_that_leaves_is_closed_and_not_processed() -> None:
    worker = await a_changelog_of(1)
    await worker.assign(1)
    assert worker.changelog.closed == [0]
    await worker.process(payment(1))
    assert worker.observer.assigned == [[0], [1]]
    assert set(worker.stage.partitions) == {1}


async def test_a_last_checkpoint_that_takes_longer_than_the_group_allows_fails_the_worker() -> None:
    worker = Worker(session_timeout_s=0.02)
    await worker.assign(0)
    await worker.process(payment(0))
    worker.changelog.gate.clear()
    with pytest.raises(TimeoutError):
        await worker.stage.assignment.on_revoked()
    assert isinstance(worker.stage.failure.error, TimeoutError)


async def test_another_rebalance_during_the_opening_leaves_the_rest_to_the_next_recovery() -> None:
    worker = Worker()
    await worker.stage.assignment.on_assigned({0, 1})
    for number in (0, 1):
        worker.stage.assignment.restore(number, worker.changelog.read(number))
    worker.changelog.writing.clear()
    worker.changelog.gate.clear()
    resuming = asyncio.create_task(worker.stage.assignment.resume({0, 1}))
    await worker.changelog.writing.wait()  # partition 0 is being opened
    revoking = asyncio.create_task(worker.stage.assignment.on_revoked())
    await asyncio.sleep(0)
    worker.changelog.gate.set()
    await asyncio.gather(resuming, revoking)
    assert worker.observer.recoveries == [0]
    assert worker.stage.partitions[1].frozen
