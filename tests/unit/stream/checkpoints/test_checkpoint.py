"""State and position become durable together, after the outputs that they cover, and only whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY
from fraudstream.stream.failure import WorkerFailure
from tests.unit.stream.in_memory import Worker, payment


async def turns(count: int = 50) -> None:
    """So many turns of the event loop: enough to reach whatever can be reached without I/O."""
    for _ in range(count):
        await asyncio.sleep(0)


async def a_worker(**settings: Any) -> Worker:
    worker = Worker(**settings)
    await worker.assign(0)
    return worker


async def test_rows_and_position_are_one_checkpoint_and_restore_the_state() -> None:
    worker = await a_worker()
    await worker.process(payment(0), payment(1))
    await worker.checkpoint()
    assert worker.changelog.keys()[-1] == CHECKPOINT_KEY
    assert len(worker.changelog.keys()) > 2, "rows, behind the opening record"

    successor = worker.successor()
    await successor.assign(0)
    partition = successor.stage.partitions[0]
    assert partition.next_offset == 2
    await successor.process(payment(2))
    assert successor.observer.judged[-1].alerts == 1, "the third payment of its account"


async def test_what_was_applied_since_the_last_checkpoint_is_applied_again_by_the_next_owner() -> None:
    worker = await a_worker()
    await worker.process(payment(0))
    await worker.checkpoint()
    await worker.process(payment(1))
    successor = worker.successor()
    await successor.assign(0)
    assert successor.stage.partitions[0].next_offset == 1
    await successor.process(payment(1))
    assert successor.observer.judged[-1].repeats == 0


async def test_a_checkpoint_awaits_the_acknowledgement_of_all_outputs_before_it_writes() -> None:
    worker = await a_worker()
    written = len(worker.changelog.keys())
    worker.sender.gate.clear()
    await worker.process(payment(0))
    taking = asyncio.create_task(worker.checkpoint())
    await turns()
    assert len(worker.changelog.keys()) == written
    worker.sender.gate.set()
    await taking
    assert len(worker.changelog.keys()) > written
    assert worker.observer.checkpoints[-1] == (0, 1)


async def test_outputs_that_were_not_acknowledged_fail_the_worker_and_leave_the_position_unsaved() -> None:
    worker = await a_worker(checkpoint_s=0.0)
    worker.sender.error = ConnectionError("refused")
    worker.sender.gate.clear()
    await worker.process(payment(0))
    worker.sender.gate.set()
    running = asyncio.create_task(worker.stage.checkpoints.run())
    await asyncio.wait([running])
    assert isinstance(running.exception(), ConnectionError)
    assert worker.stage.failure.error is running.exception()
    assert worker.observer.failures == ["ConnectionError: refused"]
    assert worker.stage.partitions[0].frozen
    assert worker.stage.partitions[0].saved_offset == 0


async def test_nothing_is_applied_after_a_checkpoint_failed() -> None:
    worker = await a_worker(checkpoint_s=0.0)
    worker.changelog.error = ConnectionError("no leader")
    await worker.process(payment(0))
    running = asyncio.create_task(worker.stage.checkpoints.run())
    await asyncio.wait([running])
    assert worker.stage.failure.error is running.exception()
    await worker.process(payment(1))
    assert worker.stage.partitions[0].next_offset == 1
    assert len(worker.observer.judged) == 1


async def test_a_checkpoint_in_progress_when_the_worker_stops_loses_no_row() -> None:
    worker = await a_worker(checkpoint_s=0.0)
    worker.changelog.writing.clear()
    worker.changelog.gate.clear()
    await worker.process(payment(0, "a"))
    running = asyncio.create_task(worker.stage.checkpoints.run())
    await worker.changelog.writing.wait()
    await worker.process(payment(1, "b"))  # while the checkpoint at 1 is written

    running.cancel()
    last = asyncio.create_task(worker.stage.assignment.on_revoked())
    await turns()
    worker.changelog.gate.set()
    await last
    assert worker.stage.partitions[0].saved_offset == 2
    assert worker.input.committed == {0: 2}

    successor = worker.successor()
    await successor.assign(0)
    await successor.process(payment(2, "a"), payment(3, "b"))
    assert successor.observer.judged[-1].alerts == 2, "both accounts had a payment before"


async def test_after_a_checkpoint_that_was_cancelled_none_is_written_without_its_rows() -> None:
    worker = await a_worker()
    written = worker.changelog.keys()
    worker.changelog.writing.clear()
    worker.changelog.gate.clear()
    await worker.process(payment(0, "a"))
    cancelled = asyncio.create_task(worker.checkpoint())
    await worker.changelog.writing.wait()
    cancelled.cancel()
    await asyncio.wait([cancelled])
    worker.changelog.gate.set()
    await worker.process(payment(1, "b"))

    with pytest.raises(WorkerFailure, match="a checkpoint was cancelled after 0"):
        await worker.checkpoint()
    assert worker.changelog.keys() == written
    assert worker.stage.partitions[0].saved_offset == 0


async def test_without_new_records_no_checkpoint_is_written() -> None:
    worker = await a_worker()
    await worker.process(payment(0))
    await worker.checkpoint()
    written = worker.changelog.keys()
    await worker.checkpoint()
    assert worker.changelog.keys() == written


async def test_an_owner_writes_its_position_before_its_first_payment() -> None:
    worker = await a_worker()
    assert worker.changelog.keys() == [CHECKPOINT_KEY]
    assert worker.observer.checkpoints == [(0, 0)]


async def test_a_group_commit_that_fails_is_no_failure() -> None:
    worker = await a_worker()
    worker.input.commit_error = ConnectionError("no coordinator")
    await worker.process(payment(0))
    await worker.stage.assignment.on_revoked()
    assert worker.stage.failure.error is None
    assert worker.stage.partitions[0].saved_offset == 1
