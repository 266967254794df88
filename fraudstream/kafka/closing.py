"""Closes a consumer or producer that has nothing left to send, within a time limit.

`asyncio.timeout` cannot do that: it cancels, and aiokafka's `stop` may swallow the cancellation (it waits for a
fetching task that swallowed its own) and keep waiting.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

CLOSE_S_MAX: Final = 5.0

log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """A Kafka client: aiokafka's `AIOKafkaConsumer` or `AIOKafkaProducer`."""

    async def stop(self) -> None:
        """Leave the cluster and release the connections."""


async def close(client: Stoppable, within_s: float = CLOSE_S_MAX) -> None:
    """Stop `client`, whether it was started or not; abandon it after `within_s` seconds. Errors are only logged."""
    stopping = asyncio.create_task(client.stop())
    stopping.add_done_callback(_log_failure)
    await asyncio.wait({stopping}, timeout=within_s)
    stopping.cancel()  # a second cancellation reaches a task that swallowed the first


def _log_failure(stopping: asyncio.Task[None]) -> None:
    if not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.debug("a Kafka client failed to close: %s: %s", type(error).__name__, error)
