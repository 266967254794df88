"""Who is absent until when: in Redis, as users are. The console and the command line write it, the case agent reads it.

An assignment names who was absent (`CaseAction.absent`), so that cases follow from their records alone.
"""

from __future__ import annotations

from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fraudstream.cases.redis_closing import close_redis

KEY: Final = "fraudstream:absences"  # a hash of name to `Absence` as JSON
SOCKET_TIMEOUT_S: Final = 5.0


class Absence(msgspec.Struct, frozen=True):
    """`name` gets no case before `until_ms`, ms since the epoch, UTC. `marked_by`: who said so."""

    name: str
    until_ms: int
    marked_by: str


class AbsenceStore:
    """Reads and writes absences. Methods raise `redis.RedisError` or `OSError` if Redis does not answer.

    `redis`: a client that decodes responses.
    """

    def __init__(self, redis: Redis, key: str = KEY) -> None:
        self._redis, self._key = redis, key

    @classmethod
    def at(cls, url: str, key: str = KEY) -> AbsenceStore:
        """A store with a client of its own for the Redis at `url`, which answers within `SOCKET_TIMEOUT_S` or not."""
        redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
        )
        return cls(redis, key)

    async def all(self, now_ms: int) -> list[Absence]:
        """The absences that have not ended, by name. Those that have are removed."""
        found = [msgspec.json.decode(text, type=Absence) for text in await self._redis.hvals(self._key)]
        ended = [each.name for each in found if each.until_ms <= now_ms]
        if ended:
            await self._redis.hdel(self._key, *ended)
        return sorted((each for each in found if each.until_ms > now_ms), key=lambda each: each.name)

    async def put(self, absence: Absence) -> None:
        """Mark somebody absent, in place of an earlier time."""
        await self._redis.hset(self._key, absence.name, msgspec.json.encode(absence).decode())

    async def remove(self, name: str) -> bool:
        """Somebody is back. False if they were not marked absent."""
        return bool(await self._redis.hdel(self._key, name))

    async def close(self) -> None:
        """Close the connections to Redis."""
        await close_redis(self._redis)
