"""What a partition waits for before it goes on, and what its checkpoint waits for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, EPOCH_KEY
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.partition import PENDING_MAX, Partition


def a_partition() -> Partition:
    return Partition(0, cast(Any, None), cast(Any, None), "batch")


async def test_a_checkpoint_waits_for_the_answers_that_judging_waits_for_too() -> None:
    partition, loop = a_partition(), asyncio.get_running_loop()
    answers = {loop.create_future() for _ in range(PENDING_MAX + 1)}
    partition.pending |= answers
    judging = asyncio.create_task(partition.settle())
    await asyncio.sleep(0)
    assert partition.take_pending() == answers
    for answer in answers:
        answer.set_result(None)
    await judging


async def test_judging_waits_while_too_many_answers_are_on_their_way_and_forgets_them_then() -> None:
    partition, loop = a_partition(), asyncio.get_running_loop()
    answers = [loop.create_future() for _ in range(PENDING_MAX + 1)]
    partition.pending |= set(answers)
    judging = asyncio.create_task(partition.settle())
    await asyncio.sleep(0)
    assert not judging.done()
    for answer in answers:
        answer.set_result(None)
    await judging
    assert not partition.pending


def test_who_was_taken_over_in_its_absence_is_told_by_the_changelog() -> None:
    """It was paused beyond its session, and got the partition again: readers pass over what it would write."""

    def record(key: bytes, value: bytes) -> Any:
        return SimpleNamespace(key=key, value=value)

    partition = a_partition()
    partition.check_still_ours([record(EPOCH_KEY, partition.epoch.encode()), record(CHECKPOINT_KEY, b"a late one's")])
    with pytest.raises(WorkerFailure, match="Another worker has taken over partition 0 meanwhile"):
        partition.check_still_ours([record(EPOCH_KEY, b"another"), record(CHECKPOINT_KEY, b"ours")])
