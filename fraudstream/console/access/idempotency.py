"""Answers to requests that a program may repeat, kept for a day: a request counts once, whatever is lost on the way."""

from __future__ import annotations

from typing import Final

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX

KEPT_S: Final = 24 * 3600


class KeptAnswer(msgspec.Struct, frozen=True):
    """What a request was answered with. `fingerprint`: of the request. `status`: 0 until it is answered. `etag`: if the
    answer has one."""

    fingerprint: str
    status: int = 0
    body: str = ""
    etag: str | None = None


class KeptAnswers:
    """Answers by key. Methods raise `redis.RedisError` or `OSError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def is_known(self, key: str) -> bool:
        """Whether there was a request with this key."""
        return bool(await self._redis.exists(_key(key)))

    async def begin(self, key: str, fingerprint: str) -> KeptAnswer | None:
        """Remember the request; returns what is kept of an earlier one with this key, None if it is the first."""
        mine = msgspec.json.encode(KeptAnswer(fingerprint))
        if await self._redis.set(_key(key), mine, nx=True, ex=KEPT_S):
            return None
        kept = await self._redis.get(_key(key))
        return None if kept is None else msgspec.json.decode(kept, type=KeptAnswer)

    async def finish(self, key: str, answer: KeptAnswer) -> None:
        """Keep the answer."""
        await self._redis.set(_key(key), msgspec.json.encode(answer), ex=KEPT_S)


def _key(key: str) -> str:
    return f"{PREFIX}answers:{key}"
