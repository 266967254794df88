"""The Faust store whose partitions are the engine's memories: fences before recovery, restores from lists, opens after
it.

Faust calls, for each rebalance and in this order: `on_rebalance` (awaited), `persisted_offset`, `apply_changelog_batch`
until the changelog's end, `on_recovery_completed` (awaited); then the consumer seeks (`StreamApp.seek_offsets`) and
lists flow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from faust import stores
from faust.stores.base import Store
from faust.types import TP

from fraudstream.stream.failure import WorkerFailure

if TYPE_CHECKING:
    from fraudstream.stream.faust.app import StreamApp
    from fraudstream.stream.faust.transport import RecordBatch

SCHEME = "arena"


class ArenaStore(Store[Any, Any]):
    app: StreamApp
    logger = logging.getLogger("faust.stores.arena")  # else mode writes its notes into our log

    def persisted_offset(self, tp: TP) -> int | None:
        """The last changelog record that this worker wrote or has read: it need not be read again."""
        partition = self.app.partitions.get(tp.partition)
        return partition.changelog_end if partition is not None else None

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        topic = self.app.settings.input_topic
        numbers = {tp.partition for tp in assigned if tp.topic == topic}
        async with self.app.failing():
            await self.app.on_assigned(numbers)

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        for event in batch:
            try:
                self._restore(event.message.partition, event.message.value)
            except Exception as error:  # Faust would log it as a warning and call the memory recovered
                self.app.fail(error)

    def _restore(self, number: int, fetched: RecordBatch) -> None:
        partition = self.app.partitions.get(number)
        if partition is None:
            return
        if partition.replay is None:
            partition.check_still_ours(fetched.records)
            return
        expected = partition.changelog_read
        if fetched.first > expected:
            raise WorkerFailure(
                f"{self.app.settings.changelog_topic}-{number}: the records {expected} to {fetched.first - 1} were not "
                "delivered. Start the worker again; if it repeats, the changelog has lost records."
            )
        try:
            partition.replay.feed(record for record in fetched.records if record.offset >= expected)
        except ValueError as error:  # rows of another layout; its checkpoint, which names it, comes behind them
            raise self.app.resumption.other_layout(number, str(error).rstrip(".")) from error
        partition.changelog_read = max(expected, fetched.next)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        async with self.app.failing():
            await self.app.resume({tp.partition for tp in active_tps})

    def reset_state(self) -> None:
        """Nothing is kept outside the app's partitions."""

    async def backup_partition(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("The memory is kept in its changelog; there is nothing to back up.")

    def restore_backup(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("The memory is kept in its changelog; there is nothing to restore.")


def register_store() -> None:
    stores.STORES.aliases[SCHEME] = f"{__name__}:ArenaStore"
