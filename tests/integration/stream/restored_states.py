"""States restored from the changelog or replayed from the log, in a form that compares equal by content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fraudstream.engine.apply import apply
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
from fraudstream.stream.settings import StreamSettings
from tests.integration.stream.cluster import PARTITIONS, StreamCluster

Rows = Mapping[bytes, Any]
_SLOT_FIELDS = ("t", "amount", "event", "code", "mask", "score", "verdict", "currency", "label")


def rows_of(state: PartitionState) -> Rows:
    """The content of a state by row key: floor and first time (ms), and the ring's values in order of time.

    Independent of where a row's ring lies in the arena, and of where it begins.
    """
    found: dict[bytes, Any] = {}
    for entity in state.entities:
        rows: Any = entity.arena.rows
        slots: Any = entity.arena.slots
        for row in range(entity.index.rows):
            slots_of_row = rows.block[row] + (rows.start[row] + np.arange(rows.held[row])) % max(1, rows.room[row])
            held = tuple(slots[name][slots_of_row].tolist() for name in _SLOT_FIELDS)
            found[entity.index.key(row)] = (int(rows.floor_ms[row]), int(rows.first_ms[row]), held)
    return found


async def restored_states(settings: StreamSettings, engine: Engine) -> list[tuple[PartitionState, CheckpointRecord]]:
    """The state and the last checkpoint in the changelog of each partition, in order of partition."""
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


async def replayed_states(cluster: StreamCluster, engine: Engine, records: int) -> list[PartitionState]:
    """The state of each partition after one replay of a log of `records` records."""
    log = await cluster.records(cluster.settings.payments_topic, lambda found: len(found) >= records)
    states = [engine.new_state() for _ in range(PARTITIONS)]
    for number, state in enumerate(states):
        apply(engine, state, [record for record in log if record.partition == number])
    return states
