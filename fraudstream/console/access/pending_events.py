"""Audit events of commands that change users and tokens, kept in Redis with the change until a console writes them.

A command needs Redis alone, so users can be managed while Kafka is down. The event is stored in the same transaction as
the change: one is never there without the other.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec
from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from fraudstream.audit.writer import AuditLog, AuditUnavailableError
from fraudstream.cases.redis_error_text import redis_error_text
from fraudstream.console.access import PREFIX
from fraudstream.contracts.audit_record import AuditEvent

POLL_S: Final = 2.0
_KEY: Final = f"{PREFIX}audit-events"
_AT_ONCE: Final = 100

log = logging.getLogger(__name__)


def add_event(pipeline: Pipeline, event: AuditEvent) -> None:
    """Keep `event` when the transaction of `pipeline` is executed."""
    pipeline.rpush(_KEY, msgspec.json.encode(event))


async def keep_event(redis: Redis, event: AuditEvent) -> None:
    """Keep an event that comes with no change in Redis. Raises what Redis raises."""
    async with redis.pipeline(transaction=True) as pipeline:
        add_event(pipeline, event)
        await pipeline.execute()


class PendingEvents:
    """Writes the events that commands have left to the audit log."""

    def __init__(self, redis: Redis, audit: AuditLog) -> None:
        self._redis, self._audit = redis, audit

    async def run(self) -> None:
        """Until cancelled. An event is removed once it is durable, so a crash, or a second console, may write it twice,
        never not at all."""
        while True:
            try:
                while await self.write_next():
                    pass
            except (RedisError, OSError) as error:
                log.warning("audit events of commands cannot be read: %s", redis_error_text(error))
            except AuditUnavailableError:
                pass  # the writer has logged it; the events stay
            await asyncio.sleep(POLL_S)

    async def write_next(self) -> int:
        """Write the oldest events; returns how many. Raises what Redis raises, and `AuditUnavailableError`."""
        texts = await self._redis.lrange(_KEY, 0, _AT_ONCE - 1)
        for text in map(str, texts):
            await self._audit.record(msgspec.json.decode(text, type=AuditEvent))
            await self._redis.lrem(_KEY, 1, text)  # this one: another console may have taken it already
        return len(texts)
