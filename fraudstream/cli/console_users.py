"""`fraudstream console user add|change|list|password|remove`: the local users of the console."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, NamedTuple

from fraudstream.cli.console_stores import Stores, change_event, check_team, with_stores
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.console.access.users import User


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
        case "change":
            _change(args, settings)
        case "password":
            _change_password(args, settings)
        case "remove":
            _remove(args, settings)
        case _:
            _list(args, settings)
    return 0


def _add(args: argparse.Namespace, settings: Settings) -> None:
    from fraudstream.console.access.tokens import ACTOR_START
    from fraudstream.console.access.users import User
    from fraudstream.operations.checked_text import check_identifier

    name = check_identifier(args.name, "NAME")
    if name.startswith(ACTOR_START):
        raise Failure(f"a name that begins with {ACTOR_START} is that of a program with a token.")
    password = _password(args)
    user = User(name, args.role, password.hash, must_change=password.is_made, team=args.team)
    detail = f"added as {user.role}" + ("" if user.team is None else f" of {user.team}")
    event = change_event("change_user", f"user:{name}", detail)

    async def add(stores: Stores) -> bool:
        await check_team(stores, args.team)
        return await stores.users.add(user, event)

    if not with_stores(settings, add):
        raise Failure(f"there is a user {name} already: remove it first, or give it another password.")
    _print_password(args, user, password)


def _change(args: argparse.Namespace, settings: Settings) -> None:
    from fraudstream.console.access.user_changes import ProvidedRoleError, change_text, changed

    if args.role is None and args.team is None and not args.no_team:
        raise Failure("give --role, --team or --no-team.")

    async def change(stores: Stores) -> tuple[User, User] | None:
        await check_team(stores, args.team)
        user = await stores.users.find(args.name)
        if user is None:
            return None
        try:
            after = changed(user, role=args.role, team=args.team, no_team=args.no_team)
        except ProvidedRoleError:
            raise Failure(f"{user.name} logs in at a provider, which decides the role: change it there.") from None
        await stores.users.put(after, change_event("change_user", f"user:{user.name}", change_text(user, after)))
        await stores.sessions.revoke_all(user.name)
        return user, after

    found = with_stores(settings, change)
    if found is None:
        raise Failure(f"there is no user {args.name}.")
    before, after = found
    if args.json:
        print(json.dumps({"name": after.name, "role": after.role, "team": after.team}))
    else:
        print(f"user {after.name}: {change_text(before, after)}; their sessions have ended")


def _change_password(args: argparse.Namespace, settings: Settings) -> None:
    from msgspec.structs import replace

    password = _password(args)

    async def change(stores: Stores) -> User | None:
        user = await stores.users.find(args.name)
        if user is not None:
            user = replace(user, password_hash=password.hash, must_change=password.is_made)
            await stores.users.put(user, change_event("change_user", f"user:{user.name}", "new password"))
            await stores.sessions.revoke_all(user.name)
        return user

    user = with_stores(settings, change)
    if user is None:
        raise Failure(f"there is no user {args.name}.")
    _print_password(args, user, password)


def _remove(args: argparse.Namespace, settings: Settings) -> None:
    async def remove(stores: Stores) -> bool:
        removed = await stores.users.remove(args.name, change_event("change_user", f"user:{args.name}", "removed"))
        await stores.sessions.revoke_all(args.name)
        return removed

    if not with_stores(settings, remove):
        raise Failure(f"there is no user {args.name}.")
    print(json.dumps({"name": args.name}) if args.json else f"removed user {args.name}")


def _list(args: argparse.Namespace, settings: Settings) -> None:
    async def read(stores: Stores) -> list[tuple[User, int]]:
        return [(user, await stores.sessions.count(user.name)) for user in await stores.users.all()]

    found = with_stores(settings, read)
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
