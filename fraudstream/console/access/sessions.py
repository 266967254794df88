"""Sessions in Redis, found by a random id that only the browser has.

    session:<digest>   the session as JSON; expires when it has not been used for a while, or at the end of its life
    sessions:<user>    set of the digests of a user's sessions
    revealed:<digest>  set of the cases whose identifiers the session has asked for

Redis keeps digests of the ids: who reads Redis cannot use a session.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX
from fraudstream.console.access.csrf import new_secret

_ID_BYTES: Final = 32


class Session(NamedTuple):
    """A log-in of `user_name`. `id`: what the cookie holds. `csrf_secret`: see `csrf`."""

    id: str
    user_name: str
    csrf_secret: bytes


class _Kept(msgspec.Struct, frozen=True):
    """A session as Redis has it. `ends_at_ms`: the end of its life, ms since the epoch, UTC. `id_token`: of
    the provider where the user has logged in."""

    user_name: str
    csrf_secret: str
    ends_at_ms: int
    id_token: str | None = None


class SessionStore:
    """Creates, finds and revokes sessions. Methods raise `redis.RedisError` or `OSError` if Redis does not answer.

    `redis`: a client that decodes responses. A session ends `idle_s` after its last use, and `life_s` after its log-in
    at the latest. `now_ms`: the clock, ms since the epoch, UTC.
    """

    def __init__(self, redis: Redis, idle_s: int, life_s: int, now_ms: Callable[[], int]) -> None:
        self._redis, self._idle_s, self._life_s, self._now_ms = redis, idle_s, life_s, now_ms

    async def create(self, user_name: str, id_token: str | None = None) -> Session:
        """A new session of the user. `id_token`: of the provider where they have logged in."""
        session = Session(secrets.token_urlsafe(_ID_BYTES), user_name, new_secret())
        kept = _Kept(
            user_name,
            base64.b64encode(session.csrf_secret).decode(),
            self._now_ms() + self._life_s * 1000,
            id_token,
        )
        of_user = _of_user(user_name)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(_key(_digest(session.id)), msgspec.json.encode(kept), ex=min(self._idle_s, self._life_s))
            pipeline.sadd(of_user, _digest(session.id))
            pipeline.expire(of_user, self._life_s)
            await pipeline.execute()
        return session

    async def find(self, session_id: str, *, is_use: bool = True) -> Session | None:
        """The session of that id; None if it has ended or never was. `is_use`: this counts as a use of it."""
        key = _key(_digest(session_id))
        text = await self._redis.get(key)
        if text is None:
            return None
        kept = msgspec.json.decode(text, type=_Kept)
        left_s = (kept.ends_at_ms - self._now_ms()) // 1000
        if left_s <= 0:
            return None
        if is_use:
            await self._redis.expire(key, min(self._idle_s, left_s))
        return Session(session_id, kept.user_name, base64.b64decode(kept.csrf_secret))

    async def id_token(self, session: Session) -> str | None:
        """The token with which the provider has answered for the user; None if they have logged in here."""
        text = await self._redis.get(_key(_digest(session.id)))
        return None if text is None else msgspec.json.decode(text, type=_Kept).id_token

    async def is_valid(self, session: Session) -> bool:
        """Whether the session has not ended. This does not count as a use."""
        return bool(await self._redis.exists(_key(_digest(session.id))))

    async def reveal(self, session: Session, case_id: str) -> None:
        """Remember, until the session ends, that it shows the identifiers of the case."""
        key = _revealed(session)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.sadd(key, case_id)
            pipeline.expire(key, self._life_s)
            await pipeline.execute()

    async def has_revealed(self, session: Session, case_id: str) -> bool:
        """Whether the session shows the identifiers of the case."""
        return bool(await self._redis.sismember(_revealed(session), case_id))

    async def revoke(self, session: Session) -> None:
        """End one session."""
        await self._redis.delete(_key(_digest(session.id)), _revealed(session))
        await self._redis.srem(_of_user(session.user_name), _digest(session.id))

    async def revoke_all(self, user_name: str) -> int:
        """End every session of a user; returns how many were alive."""
        digests = await self._digests(user_name)
        await self._redis.delete(_of_user(user_name))
        return int(await self._redis.delete(*map(_key, digests))) if digests else 0

    async def count(self, user_name: str) -> int:
        """How many sessions of a user are alive."""
        digests = await self._digests(user_name)
        return int(await self._redis.exists(*map(_key, digests))) if digests else 0

    async def _digests(self, user_name: str) -> list[str]:
        return [str(digest) for digest in await self._redis.smembers(_of_user(user_name))]


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


def _key(digest: str) -> str:
    return f"{PREFIX}session:{digest}"


def _of_user(user_name: str) -> str:
    return f"{PREFIX}sessions:{user_name}"


def _revealed(session: Session) -> str:
    return f"{PREFIX}revealed:{_digest(session.id)}"
