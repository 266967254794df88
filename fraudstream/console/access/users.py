"""The local users of the console, in one Redis hash: name to user, as JSON."""

from __future__ import annotations

from typing import Final

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX
from fraudstream.console.access.pending_events import add_event
from fraudstream.console.access.roles import Role
from fraudstream.contracts.audit_record import AuditEvent

_KEY: Final = f"{PREFIX}users"


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person who may log in. `name`: the actor of their actions on cases. `password_hash`: argon2's text.

    `must_change`: the password was made for them; until they choose another, they can do nothing else. `team`: whose
    cases they see; None: all. `subject`: at which provider they log in, and as whom; None: a local user.
    """

    name: str
    role: Role
    password_hash: str
    must_change: bool = False
    team: str | None = None
    subject: str | None = None


class UserStore:
    """Reads and writes users. Methods raise `redis.RedisError` or `OSError` if Redis does not answer.

    `redis`: a client that decodes responses.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, user: User, event: AuditEvent | None = None) -> bool:
        """Add a user. False, and no change, if the name is taken. `event`: to be audited, see `pending_events`."""
        if await self._redis.hexists(_KEY, user.name):
            return False
        await self.put(user, event)
        return True

    async def put(self, user: User, event: AuditEvent | None = None) -> None:
        """Add a user, or replace the one of this name. `event`: to be audited, see `pending_events`."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(_KEY, user.name, _json(user))
            if event is not None:
                add_event(pipeline, event)
            await pipeline.execute()

    async def find(self, name: str) -> User | None:
        """The user of that name."""
        text = await self._redis.hget(_KEY, name)
        return None if text is None else msgspec.json.decode(text, type=User)

    async def all(self) -> list[User]:
        """Every user, by name."""
        found = await self._redis.hvals(_KEY)
        return sorted((msgspec.json.decode(text, type=User) for text in found), key=lambda user: user.name)

    async def remove(self, name: str, event: AuditEvent | None = None) -> bool:
        """Remove a user; False if there is none of that name. `event`: to be audited, see `pending_events`."""
        if not await self._redis.hexists(_KEY, name):
            return False
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(_KEY, name)
            if event is not None:
                add_event(pipeline, event)
            await pipeline.execute()
        return True


def _json(user: User) -> str:
    return msgspec.json.encode(user).decode()
