"""What a partition awaits before it processes more, and what its checkpoint awaits."""

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


async def test_a_checkpoint_awaits_the_outputs_that_processing_awaits_too() -> None:
    partition, loop = a_partition(), asyncio.get_running_loop()
    outputs = {loop.create_future() for _ in range(PENDING_MAX + 1)}
    partition.pending |= outputs
    processing = asyncio.create_task(partition.limit_pending())
    await asyncio.sleep(0)
    assert partition.take_pending() == outputs
    for output in outputs:
        output.set_result(None)
    await processing


async def test_processing_waits_while_too_many_outputs_are_unacknowledged() -> None:
    partition, loop = a_partition(), asyncio.get_running_loop()
    outputs = [loop.create_future() for _ in range(PENDING_MAX + 1)]
    partition.pending |= set(outputs)
    processing = asyncio.create_task(partition.limit_pending())
    await asyncio.sleep(0)
    assert not processing.done()
    for output in outputs:
        output.set_result(None)
    await processing
    assert not partition.pending


def test_a_paused_owner_learns_from_the_changelog_that_another_took_over() -> None:
    """It was paused beyond its session, and was assigned the partition again: readers ignore what it would write."""

    def record(key: bytes, value: bytes) -> Any:
        return SimpleNamespace(key=key, value=value)

    partition = a_partition()
    partition.check_still_owner([record(EPOCH_KEY, partition.epoch.encode()), record(CHECKPOINT_KEY, b"a late one's")])
    with pytest.raises(WorkerFailure, match="Another worker has taken over partition 0"):
        partition.check_still_owner([record(EPOCH_KEY, b"another"), record(CHECKPOINT_KEY, b"ours")])
