"""Saved views: names for queries of the queue, of each user and shared, in Redis.

Keys: `views:of:<user>`, a hash of name to URL parameters; `views:shared`, a hash of name to `SavedView` as JSON.
"""

from __future__ import annotations

from typing import Final

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX

NAME_CHARACTERS_MAX: Final = 60
OF_USER_MAX: Final = 50
SHARED_MAX: Final = 200
_OF_USER: Final = f"{PREFIX}views:of:"
_SHARED: Final = f"{PREFIX}views:shared"


class SavedView(msgspec.Struct, frozen=True):
    """A name for a query. `parameters`: as `QueueQuery.parameters` writes them. `owner`: the user who saved it."""

    name: str
    parameters: str
    owner: str
    is_shared: bool


class TooManyViewsError(Exception):
    """The user, or all users together, have as many views as there may be."""


def is_view_name(name: str) -> bool:
    """Whether a view may have this name."""
    return 0 < len(name) <= NAME_CHARACTERS_MAX and name.isprintable() and name == name.strip()


class SavedViewStore:
    """Reads and writes saved views. Methods raise `redis.RedisError` or `OSError` if Redis does not answer.

    `redis`: a client that decodes responses.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def all_for(self, user: str) -> list[SavedView]:
        """The views of a user by name, then the shared ones by name."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(_OF_USER + user)
            pipeline.hvals(_SHARED)
            own, shared = await pipeline.execute()
        views = [SavedView(str(name), str(parameters), user, False) for name, parameters in own.items()]
        views += [msgspec.json.decode(text, type=SavedView) for text in shared]
        return sorted(views, key=lambda view: (view.is_shared, view.name))

    async def save(self, view: SavedView) -> bool:
        """Save a view in place of the user's of this name. False, and no change, if somebody else shares one of this
        name. Raises `TooManyViewsError`."""
        key, most = (_SHARED, SHARED_MAX) if view.is_shared else (_OF_USER + view.owner, OF_USER_MAX)
        held = await self._redis.hget(key, view.name)
        if held is None and await self._redis.hlen(key) >= most:
            raise TooManyViewsError
        if not view.is_shared:
            await self._redis.hset(key, view.name, view.parameters)
            return True
        if held is not None and msgspec.json.decode(held, type=SavedView).owner != view.owner:
            return False
        await self._redis.hset(key, view.name, msgspec.json.encode(view).decode())
        return True

    async def remove(self, name: str, user: str) -> bool:
        """Remove a user's own view. False if there is none of that name."""
        return bool(await self._redis.hdel(_OF_USER + user, name))

    async def remove_shared(self, name: str, owner: str | None) -> bool:
        """Remove a shared view; of that owner, unless it is None. False if there is none."""
        held = await self._redis.hget(_SHARED, name)
        if held is None or (owner is not None and msgspec.json.decode(held, type=SavedView).owner != owner):
            return False
        return bool(await self._redis.hdel(_SHARED, name))
