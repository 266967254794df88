"""Log messages of a worker that tests wait for, so that rewording one changes one line here."""

from __future__ import annotations

from typing import Final

ASSIGNED: Final = "processing partitions"  # followed by their numbers
BACKFILL_STARTED: Final = "backfilling from offset"  # once a partition
CUT_OVER: Final = "decides it from now on"  # by the new state version, once a partition
SUPERSEDED: Final = "stop this worker"  # by the old state version, once a partition


def assigned(*partitions: int) -> str:
    """The message of a worker to which exactly these partitions are assigned."""
    return f"{ASSIGNED} {', '.join(map(str, partitions))}"


def superseded_at(partition: int, offset: int) -> str:
    """The message of the old state version when a partition was cut over at an offset."""
    return f"partition {partition}: cut over to state version 2 at offset {offset}; stop"
