"""Tells running consoles that an account was erased, so that they drop what they have of it in memory.

The command leaves the account's pseudonym in Redis for a time; every console looks there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from redis import RedisError
from redis.asyncio import Redis

from fraudstream.cases.redis_error_text import redis_error_text
from fraudstream.console.access import PREFIX
from fraudstream.console.access.references import References

POLL_S: Final = 2.0
NOTED_MS: Final = 3_600_000  # a console that Redis does not answer for longer is no console that shows pages
_KEY: Final = f"{PREFIX}erased-accounts"

log = logging.getLogger(__name__)


class Forgets(Protocol):
    """What has data of accounts in memory."""

    def forget(self, is_erased: Callable[[str], bool]) -> None:
        """Drop what it has of the accounts, by id, for which `is_erased` answers yes."""


async def note_erasure(redis: Redis, pseudonym: str, at_ms: int) -> None:
    """Tell the consoles that the account of this pseudonym was erased. `at_ms`: when, ms since the epoch, UTC. Raises
    what Redis raises."""
    await redis.zremrangebyscore(_KEY, "-inf", at_ms - NOTED_MS)
    await redis.zadd(_KEY, {pseudonym: at_ms})
    await redis.pexpire(_KEY, NOTED_MS)


class Erasures:
    """Looks for erasures, and has `holders` drop what they have of the accounts."""

    def __init__(self, redis: Redis, references: References, holders: Sequence[Forgets]) -> None:
        self._redis, self._references, self._holders = redis, references, holders
        self._known: dict[str, float] = {}  # when each account was erased, by pseudonym

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except (RedisError, OSError) as error:
                log.warning("erasures cannot be read: %s", redis_error_text(error))
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Drop what is held of accounts that were erased since the last time. Raises what Redis raises."""
        rows = cast(list[tuple[str, float]], await self._redis.zrange(_KEY, 0, -1, withscores=True))
        found = dict(rows)
        erased = {name for name, at_ms in found.items() if self._known.get(name) != at_ms}
        self._known = found
        if erased:
            for holder in self._holders:
                holder.forget(lambda account_id: self._references.pseudonym("account", account_id) in erased)
