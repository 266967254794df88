"""`fraudstream console token add|list|revoke`: the tokens with which programs use the API."""

from __future__ import annotations

import argparse
import json

from fraudstream.cli.console_stores import Stores, change_event, check_team, with_stores
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.timestamps import utc_text


def run_token_action(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action on the tokens. Raises `Failure`, `OperationError`."""
    match args.token_action:
        case "add":
            _add(args, settings)
        case "revoke":
            _revoke(args, settings)
        case _:
            _list(args, settings)
    return 0


def _add(args: argparse.Namespace, settings: Settings) -> None:
    from fraudstream.console.access.tokens import new_token
    from fraudstream.operations.checked_text import check_identifier

    name = check_identifier(args.name, "NAME")
    if args.for_ms <= 0:
        raise Failure("--for: a token lives for longer than 0.")
    made = new_token(name, tuple(dict.fromkeys(args.scope)), now_ms(), now_ms() + args.for_ms, args.team)
    token = made.token
    detail = f"added for {name}: {', '.join(token.scopes)}, until {utc_text(token.expires_at_ms)}"
    event = change_event("change_token", f"token:{token.id}", detail)

    async def put(stores: Stores) -> None:
        await check_team(stores, args.team)
        await stores.tokens.put(token, event)

    with_stores(settings, put)
    if args.json:
        print(json.dumps({"id": token.id, "name": name, "scopes": token.scopes, "token": made.text}))
        return
    print(f"token {token.id} of {name}, until {utc_text(token.expires_at_ms)}")
    print(f"it is not shown again: {made.text}")


def _revoke(args: argparse.Namespace, settings: Settings) -> None:
    event = change_event("change_token", f"token:{args.id}", "revoked")
    if not with_stores(settings, lambda stores: stores.tokens.revoke(args.id, event)):
        raise Failure(f"there is no token {args.id}: fraudstream console token list.")
    print(json.dumps({"id": args.id}) if args.json else f"revoked token {args.id}")


def _list(args: argparse.Namespace, settings: Settings) -> None:
    found = with_stores(settings, lambda stores: stores.tokens.all())
    if args.json:
        shown = ({name: getattr(token, name) for name in ("id", "name", "scopes", "expires_at_ms")} for token in found)
        print(json.dumps(list(shown)))
        return
    for token in found:
        end = "expired" if token.expires_at_ms <= now_ms() else f"until {utc_text(token.expires_at_ms)}"
        print(f"{token.id}  {token.name}  {' '.join(token.scopes)}  {end}")
    if not found:
        print("no tokens")
