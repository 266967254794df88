"""What a memory holds, in a form that can be compared however it came about; and the memory that a log should give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fraudstream.engine.apply import apply
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.stream.checkpoints.changelog import ChangelogRestorer, CheckpointRecord
from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from fraudstream.stream.settings import StreamSettings
from tests.integration.stream.world import PARTITIONS, World

Rows = Mapping[bytes, Any]
_SLOT_FIELDS = ("t", "amount", "event", "code", "mask", "score", "verdict", "currency", "label")


def rows_of(state: PartitionState) -> Rows:
    """By key: the row's header, and its payments in their order."""
    found: dict[bytes, Any] = {}
    for entity in state.entities:
        rows: Any = entity.arena.rows
        slots: Any = entity.arena.slots
        for row in range(entity.index.rows):
            places = rows.block[row] + (rows.start[row] + np.arange(rows.held[row])) % max(1, rows.room[row])
            held = tuple(slots[name][places].tolist() for name in _SLOT_FIELDS)
            found[entity.index.key(row)] = (int(rows.floor_ms[row]), int(rows.first_ms[row]), held)
    return found


async def saved_memories(settings: StreamSettings, engine: Engine) -> list[tuple[PartitionState, CheckpointRecord]]:
    """What the changelog holds, partition by partition."""
    found = []
    async with changelog_reader(settings) as reader:
        for number in range(PARTITIONS):
            state = engine.new_state()
            replay = ChangelogRestorer(state, settings.checkpoint_mode)
            async for records in reader.records(number):
                replay.feed(records)
            assert replay.checkpoint is not None, f"partition {number} has no checkpoint"
            found.append((state, replay.checkpoint))
    return found


async def undisturbed_memories(world: World, engine: Engine, records: int) -> list[PartitionState]:
    """What the log of so many records gives when it is read in one go."""
    log = await world.records(world.settings.payments_topic, lambda found: len(found) >= records)
    states = [engine.new_state() for _ in range(PARTITIONS)]
    for number, state in enumerate(states):
        apply(engine, state, [record for record in log if record.partition == number])
    return states
