"""Drafts of rules in Redis, by user: one hash for each user, of rule name to draft as JSON."""

from __future__ import annotations

from typing import Final

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX

KEPT_DAYS: Final = 90  # after the last change of any of a user's drafts
DRAFTS_MAX: Final = 100  # of one user
_DAY_S: Final = 86_400


class Draft(msgspec.Struct, frozen=True, tag="draft"):
    """A rule, or another file of the rules, as its author has it. `rule_set`: digest of the rule set in force when it
    was begun. `saved_at_ms`: None before it is saved."""

    name: str
    rule_text: str
    cases_text: str
    rule_set: str
    saved_at_ms: int | None = None

    @property
    def path(self) -> str:
        """The file below the directory of rules."""
        return f"{self.name}.yaml"


class DraftStore:
    """Reads and writes drafts. Methods raise `redis.RedisError` or `OSError` if Redis does not answer.

    `redis`: a client that decodes responses.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, user_name: str, draft: Draft) -> bool:
        """Save a draft in place of the one of its name. False, and no change, if the user has `DRAFTS_MAX` others."""
        key = _key(user_name)
        if await self._redis.hlen(key) >= DRAFTS_MAX and not await self._redis.hexists(key, draft.name):
            return False
        await self._redis.hset(key, draft.name, msgspec.json.encode(draft).decode())
        await self._redis.expire(key, KEPT_DAYS * _DAY_S)
        return True

    async def find(self, user_name: str, name: str) -> Draft | None:
        """The user's draft of that rule."""
        text = await self._redis.hget(_key(user_name), name)
        return None if text is None else msgspec.json.decode(text, type=Draft)

    async def of_user(self, user_name: str) -> list[Draft]:
        """The user's drafts, by name."""
        found = await self._redis.hvals(_key(user_name))
        return sorted((msgspec.json.decode(text, type=Draft) for text in found), key=lambda draft: draft.name)

    async def remove(self, user_name: str, name: str) -> None:
        """Remove a draft, if there is one."""
        await self._redis.hdel(_key(user_name), name)


def _key(user_name: str) -> str:
    return f"{PREFIX}drafts:{user_name}"
