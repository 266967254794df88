"""`fraudstream console team set|list|remove`: which cases the members of a team see."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import msgspec

from fraudstream.cli.console_stores import Stores, change_event, with_stores
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.console.access.teams import Team


def run_team_action(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action on the teams. Raises `Failure`, `OperationError`."""
    match args.team_action:
        case "set":
            _set(args, settings)
        case "remove":
            _remove(args, settings)
        case _:
            _list(args, settings)
    return 0


def _set(args: argparse.Namespace, settings: Settings) -> None:
    from fraudstream.console.access.teams import Team
    from fraudstream.operations.checked_text import check_identifier

    team = Team(check_identifier(args.name, "NAME"), tuple(args.queue), tuple(args.typology), tuple(args.partner))
    if not team.queues and not team.typologies and not team.partners:
        raise Failure("a team sees the cases of queues, typologies, partners: give --queue, --typology or --partner.")
    detail = _seen(team, "; ")
    event = change_event("change_user", f"team:{team.name}", detail)
    with_stores(settings, lambda stores: stores.teams.put(team, event))
    print(msgspec.json.encode(team).decode() if args.json else f"team {team.name}: {detail}")


def _remove(args: argparse.Namespace, settings: Settings) -> None:
    event = change_event("change_user", f"team:{args.name}", "removed")

    async def remove(stores: Stores) -> tuple[bool, list[str]]:
        members = [user.name for user in await stores.users.all() if user.team == args.name]
        return (False, members) if members else (await stores.teams.remove(args.name, event), [])

    removed, members = with_stores(settings, remove)
    if members:
        raise Failure(f"the team {args.name} has members ({', '.join(members[:5])}): give them another one first.")
    if not removed:
        raise Failure(f"there is no team {args.name}.")
    print(json.dumps({"name": args.name}) if args.json else f"removed team {args.name}")


def _list(args: argparse.Namespace, settings: Settings) -> None:
    teams = with_stores(settings, lambda stores: stores.teams.all())
    if args.json:
        print(msgspec.json.encode(teams).decode())
        return
    for team in teams:
        print(f"{team.name}  {_seen(team, '  ')}")
    if not teams:
        print("no teams")


def _seen(team: Team, between: str) -> str:
    """What the team sees."""
    seen = {"queues": team.queues, "typologies": team.typologies, "partners": team.partners}
    return between.join(f"{what}: {', '.join(names) or '-'}" for what, names in seen.items())
