"""The stores of the console in Redis, for commands that change users and tokens, and what the audit log says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fraudstream.cli.author_flags import login_name
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms

if TYPE_CHECKING:
    from fraudstream.console.access.sessions import SessionStore
    from fraudstream.console.access.teams import TeamStore
    from fraudstream.console.access.tokens import TokenStore
    from fraudstream.console.access.users import UserStore
    from fraudstream.contracts.audit_record import AuditAction, AuditEvent

Result = TypeVar("Result")


class Stores(NamedTuple):
    """What the console keeps in Redis."""

    users: UserStore
    sessions: SessionStore
    tokens: TokenStore
    teams: TeamStore


def change_event(action: AuditAction, object: str, detail: str) -> AuditEvent:
    """What the audit log says of a change. Its actor is the login name of who runs the command, where there is one."""
    from fraudstream.audit.writer import COMMAND_LINE
    from fraudstream.contracts.audit_record import AuditEvent

    try:
        actor = login_name("")
    except Failure:
        actor = None
    return AuditEvent(now_ms(), action, "done", COMMAND_LINE, actor, object, detail)


async def check_team(stores: Stores, name: str | None) -> None:
    """Raises `Failure` if there is no team of that name."""
    if name is not None and not await stores.teams.exists(name):
        raise Failure(f"there is no team {name}: fraudstream console team set.")


def keep_event(settings: Settings, event: AuditEvent) -> None:
    """Keep an event in Redis until a console writes it to the audit log. Raises `Failure` if Redis does not answer."""
    from redis import RedisError

    from fraudstream.cases.redis_closing import close_redis
    from fraudstream.cases.redis_error_text import redis_error_text
    from fraudstream.console.access import pending_events
    from fraudstream.console.server import redis_client

    async def keep() -> None:
        redis = redis_client(settings.redis.url_with_password())
        try:
            await pending_events.keep_event(redis, event)
        finally:
            await close_redis(redis)

    try:
        asyncio.run(keep())
    except (RedisError, OSError, ValueError) as error:
        text = redis_error_text(error) if not isinstance(error, ValueError) else str(error)
        raise Failure(f"the event for the audit log cannot be kept in Redis, so nothing was done: {text}.") from error


def with_stores(settings: Settings, work: Callable[[Stores], Awaitable[Result]]) -> Result:
    """Run `work` on the stores. Raises `Failure` if Redis does not answer."""
    from redis import RedisError

    from fraudstream.cases.redis_closing import close_redis
    from fraudstream.cases.redis_error_text import redis_error_text
    from fraudstream.console.access.sessions import SessionStore
    from fraudstream.console.access.teams import TeamStore
    from fraudstream.console.access.tokens import TokenStore
    from fraudstream.console.access.users import UserStore
    from fraudstream.console.server import redis_client

    web = settings.console.server_settings()

    async def connected() -> Result:
        try:
            redis = redis_client(settings.redis.url_with_password())
        except ValueError as error:
            raise Failure(f"redis.url: {error}.") from error
        try:
            sessions = SessionStore(redis, web.idle_s, web.session_s, now_ms)
            return await work(Stores(UserStore(redis), sessions, TokenStore(redis, now_ms), TeamStore(redis)))
        finally:
            await close_redis(redis)

    try:
        return asyncio.run(connected())
    except (RedisError, OSError) as error:
        raise Failure(f"the users cannot be read or written: {redis_error_text(error)}.") from error
