"""Teams: which cases their members see. Kept in one Redis hash: name to team, as JSON."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX
from fraudstream.console.access.pending_events import add_event
from fraudstream.contracts.audit_record import AuditEvent

_KEY: Final = f"{PREFIX}teams"


class SeenCase(Protocol):
    """What a team looks at: the row of a case."""

    @property
    def queue(self) -> str | None:
        """Its queue."""

    @property
    def typologies(self) -> tuple[str, ...]:
        """Those of its rules."""

    @property
    def partners(self) -> tuple[str, ...]:
        """Through which its payments came."""


class Team(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sees the cases of its `queues`, and those with one of its `typologies`; with `partners`, of these only those with
    a payment that came through one of them, or all such cases if it has neither queues nor typologies. Without any of
    the three, none."""

    name: str
    queues: tuple[str, ...] = ()
    typologies: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()

    def sees(self, case: SeenCase) -> bool:
        """Whether a case is for the team."""
        if self.partners and set(self.partners).isdisjoint(case.partners):
            return False
        if not self.queues and not self.typologies:
            return bool(self.partners)
        return case.queue in self.queues or not set(self.typologies).isdisjoint(case.typologies)


class TeamStore:
    """Reads and writes teams. `redis`: a client that decodes responses.

    Methods raise `redis.RedisError` or `OSError` if Redis does not answer.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, team: Team, event: AuditEvent) -> None:
        """Add a team, or replace the one of this name. `event`: to be audited, see `pending_events`."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(_KEY, team.name, msgspec.json.encode(team))
            add_event(pipeline, event)
            await pipeline.execute()

    async def find(self, name: str) -> Team:
        """The team of that name. One that is not there sees nothing: its members must not see all."""
        text = await self._redis.hget(_KEY, name)
        return Team(name) if text is None else msgspec.json.decode(text, type=Team)

    async def exists(self, name: str) -> bool:
        """Whether there is a team of that name."""
        return bool(await self._redis.hexists(_KEY, name))

    async def all(self) -> list[Team]:
        """Every team, by name."""
        found = await self._redis.hvals(_KEY)
        return sorted((msgspec.json.decode(text, type=Team) for text in found), key=lambda team: team.name)

    async def remove(self, name: str, event: AuditEvent) -> bool:
        """Remove a team; False if there is none of that name. `event`: to be audited."""
        if not await self.exists(name):
            return False
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(_KEY, name)
            add_event(pipeline, event)
            await pipeline.execute()
        return True
