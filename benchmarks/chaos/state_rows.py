"""A memory as rows that can be compared, slot by slot, whatever the order in which its rows came to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraudstream.engine.memory import EntityMemory, Memory

Rows = dict[tuple[str, bytes], bytes]  # (entity or list, key): all that the row says


def rows_of(memory: Memory) -> Rows:
    """Every row: its header, the payments in its ring from the oldest on, and its spill, as bytes. Every entry of a
    list: until when. And the ledger of first verdicts."""
    found: Rows = {
        (f"lists.{name}", b"%016x" % digest): b"%d" % until for (name, digest), until in memory.lists.entries().items()
    }
    for entity in memory.entities:
        for row in range(entity.index.rows):
            found[entity.plan.entity.name, entity.index.key(row)] = _row(entity, row)
    if (ledger := memory.ledger) is not None:
        found["ledger", b"%d entered" % ledger.count] = ledger._entries[: ledger.count].tobytes()
    return found


def _row(entity: EntityMemory, row: int) -> bytes:
    arena = entity.arena
    rows, slots, spills = arena.rows, arena.slots, arena.spills
    block, room, start, held = (int(getattr(rows, name)[row]) for name in ("block", "room", "start", "held"))
    ring: Any = slots[block + (start + np.arange(held)) % max(room, 1)].copy()
    ring.dirty[:] = False
    parts = [rows.floor_ms[row].tobytes(), rows.first_ms[row].tobytes(), ring.tobytes()]
    spill = int(rows.spill[row])
    if spill >= 0:
        parts += [column[spill].tobytes() for column in spills[:-1]]
    return b"|".join(parts)
