"""Closes clients of Redis."""

from __future__ import annotations

import logging

from redis import RedisError
from redis.asyncio import Redis

log = logging.getLogger(__name__)


async def close_redis(redis: Redis) -> None:
    """Close the connections of a client. Never fails: what was asked of Redis is done, or has raised before.

    On a busy machine redis-py gives up waiting for a connection to close after the time of its socket, and raises.
    """
    try:
        await redis.aclose()
    except (RedisError, OSError) as error:
        log.debug("a connection to Redis was not closed in order: %s", error)
