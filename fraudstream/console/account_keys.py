"""What the console itself keeps of an account in Redis: saved views that name it, and answers to programs, which are
kept for a day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from redis.asyncio import Redis

from fraudstream.console.access import PREFIX
from fraudstream.operations.account_records import id_finder

_VIEWS: Final = f"{PREFIX}views:"
_ANSWERS: Final = f"{PREFIX}answers:"


class KeptText(NamedTuple):
    """A text in Redis: the value of `key`, or of `field` if that is a hash."""

    key: str
    field: str | None


class AccountKeys:
    """Finds and removes it. Methods raise `redis.RedisError` or `OSError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def find(self, account_id: str) -> list[KeptText]:
        """Every text that names the account."""
        names = id_finder(account_id)
        return [
            KeptText(key, field)
            async for key, field, text in self._texts()
            if names(text.encode("utf-8", "replace")) or names(unquote_plus(text).encode("utf-8", "replace"))
        ]

    async def remove(self, account_id: str) -> int:
        """Remove them; returns how many there were."""
        found = await self.find(account_id)
        for key, field in found:
            await (self._redis.unlink(key) if field is None else self._redis.hdel(key, field))
        return len(found)

    async def _texts(self) -> AsyncIterator[tuple[str, str | None, str]]:
        async for key in self._redis.scan_iter(match=f"{_VIEWS}*", count=1000):
            for field, text in (await self._redis.hgetall(key)).items():
                yield str(key), str(field), f"{field!s} {text!s}"
        async for key in self._redis.scan_iter(match=f"{_ANSWERS}*", count=1000):
            if (answer := await self._redis.get(key)) is not None:
                yield str(key), None, str(answer)
