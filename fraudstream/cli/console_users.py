"""`fraudstream console user add|list|password|remove`: the local users of the console."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fraudstream.cli.author_flags import login_name
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms

if TYPE_CHECKING:
    from fraudstream.console.access.sessions import SessionStore
    from fraudstream.console.access.users import User, UserStore
    from fraudstream.contracts.audit_record import AuditEvent

Result = TypeVar("Result")


class _Stores(NamedTuple):
    users: UserStore
    sessions: SessionStore


class _GivenPassword(NamedTuple):
    """A password and its hash. `is_made`: the program made it, so it is printed, and the user must replace it."""

    text: str
    hash: str
    is_made: bool


def run_user_action(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action on the users. Raises `Failure`, `OperationError`."""
    match args.user_action:
        case "add":
            _add(args, settings)
        case "password":
            _change_password(args, settings)
        case "remove":
            _remove(args, settings)
        case _:
            _list(args, settings)
    return 0


def _add(args: argparse.Namespace, settings: Settings) -> None:
    from fraudstream.console.access.users import User
    from fraudstream.operations.checked_text import check_identifier

    name = check_identifier(args.name, "NAME")
    password = _password(args)
    user = User(name, args.role, password.hash, must_change=password.is_made)
    event = _event(name, f"added as {user.role}")
    if not _with_stores(settings, lambda stores: stores.users.add(user, event)):
        raise Failure(f"there is a user {name} already: remove it first, or give it another password.")
    _print_password(args, user, password)


def _change_password(args: argparse.Namespace, settings: Settings) -> None:
    from msgspec.structs import replace

    password = _password(args)

    async def change(stores: _Stores) -> User | None:
        user = await stores.users.find(args.name)
        if user is not None:
            user = replace(user, password_hash=password.hash, must_change=password.is_made)
            await stores.users.put(user, _event(user.name, "new password"))
            await stores.sessions.revoke_all(user.name)
        return user

    user = _with_stores(settings, change)
    if user is None:
        raise Failure(f"there is no user {args.name}.")
    _print_password(args, user, password)


def _remove(args: argparse.Namespace, settings: Settings) -> None:
    async def remove(stores: _Stores) -> bool:
        removed = await stores.users.remove(args.name, _event(args.name, "removed"))
        await stores.sessions.revoke_all(args.name)
        return removed

    if not _with_stores(settings, remove):
        raise Failure(f"there is no user {args.name}.")
    print(json.dumps({"name": args.name}) if args.json else f"removed user {args.name}")


def _event(name: str, detail: str) -> AuditEvent:
    """What the audit log says of a change. Its actor is the login name of who runs the command, where there is one."""
    from fraudstream.audit.writer import COMMAND_LINE
    from fraudstream.contracts.audit_record import AuditEvent

    try:
        actor = login_name("")
    except Failure:
        actor = None
    return AuditEvent(now_ms(), "change_user", "done", COMMAND_LINE, actor, f"user:{name}", detail)


def _list(args: argparse.Namespace, settings: Settings) -> None:
    async def read(stores: _Stores) -> list[tuple[User, int]]:
        return [(user, await stores.sessions.count(user.name)) for user in await stores.users.all()]

    found = _with_stores(settings, read)
    if args.json:
        print(json.dumps([{"name": user.name, "role": user.role, "sessions": count} for user, count in found]))
        return
    width = max((len(user.name) for user, _ in found), default=0)
    for user, count in found:
        print(f"{user.name:<{width}}  {user.role:<11}  {count} session{'' if count == 1 else 's'}")
    if not found:
        print("no users")


def _password(args: argparse.Namespace) -> _GivenPassword:
    """The password of standard input, or a new one. Raises `Failure` if it is too short or too long."""
    from argon2 import PasswordHasher

    from fraudstream.console.access.passwords import CHARACTERS_MAX, CHARACTERS_MIN, is_acceptable, new_password

    text = sys.stdin.readline().rstrip("\r\n") if args.password_stdin else new_password()
    if not is_acceptable(text):
        raise Failure(f"the password must have {CHARACTERS_MIN} to {CHARACTERS_MAX} characters, not {len(text)}.")
    return _GivenPassword(text, PasswordHasher().hash(text), is_made=not args.password_stdin)


def _print_password(args: argparse.Namespace, user: User, password: _GivenPassword) -> None:
    if args.json:
        made = {"password": password.text} if password.is_made else {}
        print(json.dumps({"name": user.name, "role": user.role} | made))
        return
    print(f"user {user.name}, {user.role}")
    if password.is_made:
        print(f"password for the first log-in: {password.text}")


def _with_stores(settings: Settings, work: Callable[[_Stores], Awaitable[Result]]) -> Result:
    """Run `work` on the users and sessions in Redis. Raises `Failure` if Redis does not answer."""
    from redis import RedisError

    from fraudstream.cases.view import redis_error_text
    from fraudstream.console.access.sessions import SessionStore
    from fraudstream.console.access.users import UserStore
    from fraudstream.console.server import redis_client

    web = settings.console.server_settings()

    async def connected() -> Result:
        try:
            redis = redis_client(settings.redis.url_with_password())
        except ValueError as error:
            raise Failure(f"redis.url: {error}.") from error
        try:
            return await work(_Stores(UserStore(redis), SessionStore(redis, web.idle_s, web.session_s, now_ms)))
        finally:
            await redis.aclose()

    try:
        return asyncio.run(connected())
    except (RedisError, OSError) as error:
        raise Failure(f"the users cannot be read or written: {redis_error_text(error)}.") from error
