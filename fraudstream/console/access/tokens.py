"""Tokens of programs that use the API: 256 random bits, of which Redis keeps the SHA-256 alone.

fst_<id>_<secret>     what the program sends; the id finds the token, and is what logs name
tokens                hash: id to token, as JSON
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, get_args

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX
from fraudstream.console.access.pending_events import add_event
from fraudstream.contracts.audit_record import AuditEvent

Scope = Literal[
    "cases:read",  # with identifiers masked
    "cases:act",
    "cases:export",
    "identifiers:read",
    "audit:read",
    "users:read",
]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ACTOR_START: Final = "api:"

_KEY: Final = f"{PREFIX}tokens"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_START: Final = "fst"
_CHARACTERS_MAX: Final = 100


class Token(msgspec.Struct, frozen=True):
    """A token as Redis has it. `name`: of the program; its actions on cases have the actor `actor`.

    `digest`: SHA-256 of the secret, hexadecimal. `team`: whose cases it sees; None: all. Times are ms since the
    epoch, UTC.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    digest: str
    created_at_ms: int
    expires_at_ms: int
    team: str | None = None

    @property
    def actor(self) -> str:
        """Who acts: no user has such a name."""
        return f"{ACTOR_START}{self.name}"


class NewToken(NamedTuple):
    """A token, and the text that its program sends: it is shown once, and kept nowhere."""

    token: Token
    text: str


def new_token(
    name: str, scopes: tuple[Scope, ...], created_at_ms: int, expires_at_ms: int, team: str | None = None
) -> NewToken:
    """A token with a secret of its own."""
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    token = Token(token_id, name, scopes, _digest(secret), created_at_ms, expires_at_ms, team)
    return NewToken(token, f"{_START}_{token_id}_{secret}")


class TokenStore:
    """Tokens in Redis. `now_ms`: the clock, ms since the epoch, UTC.

    Methods raise `redis.RedisError` or `OSError` if Redis does not answer.
    """

    def __init__(self, redis: Redis, now_ms: Callable[[], int]) -> None:
        self._redis, self._now_ms = redis, now_ms

    async def put(self, token: Token, event: AuditEvent) -> None:
        """Keep a token. `event`: to be audited, see `pending_events`."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(_KEY, token.id, msgspec.json.encode(token))
            add_event(pipeline, event)
            await pipeline.execute()

    async def find(self, text: str) -> Token | None:
        """The token with this text; None if there is none, or it has expired."""
        start, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        if start != _START or not secret or len(text) > _CHARACTERS_MAX:
            return None
        token = await self.by_id(token_id)
        if token is None or not hmac.compare_digest(token.digest, _digest(secret)):
            return None
        return token if self._now_ms() < token.expires_at_ms else None

    async def by_id(self, token_id: str) -> Token | None:
        """The token of that id, expired or not."""
        kept = await self._redis.hget(_KEY, token_id)
        return None if kept is None else msgspec.json.decode(kept, type=Token)

    async def all(self) -> list[Token]:
        """Every token, by name."""
        kept = await self._redis.hvals(_KEY)
        return sorted((msgspec.json.decode(each, type=Token) for each in kept), key=lambda token: token.name)

    async def revoke(self, token_id: str, event: AuditEvent) -> bool:
        """Remove a token; False if there is none of that id. `event`: to be audited."""
        if not await self._redis.hexists(_KEY, token_id):
            return False
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(_KEY, token_id)
            add_event(pipeline, event)
            await pipeline.execute()
        return True


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
