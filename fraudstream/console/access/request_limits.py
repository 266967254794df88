"""How many requests a token may make a minute, counted in Redis for all consoles together."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from fraudstream.console.access import PREFIX

WINDOW_S: Final = 60

_COUNT: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
if count > tonumber(ARGV[2]) then return math.max(redis.call('TTL', KEYS[1]), 1) end
return 0
"""


class RequestLimits:
    """Counts requests. `per_minute`: of one token. Raises `redis.RedisError` or `OSError` if Redis does not answer."""

    def __init__(self, redis: Redis, per_minute: int) -> None:
        self._redis, self._per_minute = redis, per_minute

    async def count_request(self, token_id: str) -> int:
        """Count a request; returns for how many seconds no further one is allowed, 0 if this one is."""
        key = f"{PREFIX}requests:{token_id}"
        return int(await self._redis.eval(_COUNT, 1, key, WINDOW_S, self._per_minute))
