"""A connection that cannot be closed in order is no fault of what was asked of Redis."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from fraudstream.cases.redis_closing import close_redis


class SlowToClose(Redis):
    """A client on a busy machine, as redis-py behaves there."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        raise RedisTimeoutError("Timed out closing connection after 5.0")


@pytest.mark.parametrize("client", [Redis, SlowToClose])
async def test_closing_ends_the_connections_and_does_not_fail(client: type[Redis], redis_url: str) -> None:
    redis = client.from_url(redis_url)
    assert await redis.ping()
    await close_redis(redis)
    pool = redis.connection_pool
    assert not any(connection.is_connected for connection in [*pool._available_connections, *pool._in_use_connections])
