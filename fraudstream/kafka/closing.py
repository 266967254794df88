"""The end of a consumer or producer that owes nothing to anyone any more: bounded, whatever the brokers do.

Not by `asyncio.timeout`: that cancels, and aiokafka's `stop` may swallow a cancellation (it waits for a fetching task
that has swallowed its own) and wait on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

CLOSE_S_MAX: Final = 5.0

log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """aiokafka's `AIOKafkaConsumer` and `AIOKafkaProducer` fit."""

    async def stop(self) -> None: ...


async def close(client: Stoppable, within_s: float = CLOSE_S_MAX) -> None:
    """Stop `client`, started or not; after `within_s` go on without it. What `stop` raises is only logged."""
    stopping = asyncio.create_task(client.stop())
    stopping.add_done_callback(_tell)
    await asyncio.wait({stopping}, timeout=within_s)
    stopping.cancel()  # a second cancellation reaches what swallowed the first


def _tell(stopping: asyncio.Task[None]) -> None:
    if not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.debug("it did not close well: %r", error)
