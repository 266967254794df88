"""The Faust store whose partitions are the engine's states: it restores them from batches of the changelog.

Faust calls, for each rebalance and in this order: `on_rebalance` (awaited), `persisted_offset`, `apply_changelog_batch`
until the changelog's end, `on_recovery_completed` (awaited); then the consumer seeks (`StreamApp.seek_offsets`) and
batches flow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from faust import stores
from faust.stores.base import Store
from faust.types import TP

from fraudstream.stream.faust.app import StreamApp

SCHEME = "arena"


class ArenaStore(Store[Any, Any]):
    """Passes Faust's calls on to the stage's assignment. Errors there end the worker."""

    app: StreamApp
    logger = logging.getLogger("faust.stores.arena")  # else mode logs under our logger

    def persisted_offset(self, tp: TP) -> int | None:
        """The last changelog record that this worker wrote or has read: it need not be read again."""
        written_to = self.app.stage.assignment.changelog_written_to(tp.partition)
        return written_to - 1 if written_to > 0 else None

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """The group has assigned partitions."""
        stage = self.app.stage
        numbers = {tp.partition for tp in assigned if tp.topic == stage.settings.input_topic}
        async with stage.failure.failing():
            await stage.assignment.on_assigned(numbers)

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Restore rows. Each event's value is a `RecordBatch`."""
        for event in batch:
            try:
                self.app.stage.assignment.restore(event.message.partition, event.message.value)
            except Exception as error:  # Faust would log it as a warning and treat the state as recovered
                self.app.fail(error)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """The changelogs are read to their end."""
        async with self.app.stage.failure.failing():
            await self.app.on_changelogs_read({tp.partition for tp in active_tps})

    def reset_state(self) -> None:
        """Do nothing: all state is in the stage's partitions."""

    async def backup_partition(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: the changelog is the only copy."""
        raise NotImplementedError("The state is kept in its changelog; there is nothing to back up.")

    def restore_backup(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: the changelog is the only copy."""
        raise NotImplementedError("The state is kept in its changelog; there is nothing to restore.")


def register_store() -> None:
    """Make the store known to Faust under `arena://`."""
    stores.STORES.aliases[SCHEME] = f"{__name__}:ArenaStore"
