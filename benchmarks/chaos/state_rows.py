"""A partition state as rows that can be compared, independent of the order in which its rows were created."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraudstream.engine.entity_state import EntityState
from fraudstream.engine.partition_state import PartitionState

Rows = dict[tuple[str, bytes], bytes]  # (entity or list, key): contents of the row


def rows_of(state: PartitionState) -> Rows:
    """Every state row as bytes: header, payments in its ring, oldest first, and overflow panes.

    Also the expiry of every list entry, and the ledger of first verdicts.
    """
    found: Rows = {
        (f"lists.{name}", value.encode()): b"%d" % until for (name, value), until in state.lists.entries().items()
    }
    for entity in state.entities:
        for row in range(entity.index.rows):
            found[entity.plan.entity.name, entity.index.key(row)] = _row(entity, row)
    if (ledger := state.ledger) is not None:
        found["ledger", b"%d entered" % ledger.count] = ledger._entries[: ledger.count].tobytes()
    return found


def _row(entity: EntityState, row: int) -> bytes:
    arena = entity.arena
    rows, slots, overflows = arena.rows, arena.slots, arena.overflows
    block, room, start, held = (int(getattr(rows, name)[row]) for name in ("block", "room", "start", "held"))
    ring: Any = slots[block + (start + np.arange(held)) % max(room, 1)].copy()
    ring.dirty[:] = False
    parts = [
        rows.floor_ms[row].tobytes(),
        rows.first_ms[row].tobytes(),
        ring.tobytes(),
        arena.tops.recent[row].tobytes(),
    ]
    overflow = int(rows.overflow[row])
    if overflow >= 0:
        parts += [column[overflow].tobytes() for column in overflows[:-1]]
    return b"|".join(parts)
