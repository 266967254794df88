"""`fraudstream console`: serve the web console, and manage its local users and the tokens of its API."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import duration_ms

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers

_EXAMPLE = argparse.RawDescriptionHelpFormatter
_NEEDED = ("argon2", "fastapi", "jinja2", "joserfc", "reportlab", "tantivy", "uvicorn")
# Of console.access.tokens and roles, which help must not import.
SCOPES = ("cases:read", "cases:act", "cases:export", "identifiers:read", "audit:read", "users:read")
ROLES = ("viewer", "analyst", "senior", "rule_author", "approver", "auditor", "admin")


def add_parser(subparsers: Subparsers) -> None:
    """Add `console`, its actions `user add`, `list`, `password`, `remove`, and `token add`, `list`, `revoke`."""
    parser = subparsers.add_parser(
        "console",
        help="serve the web console for analysts; manage its users and the tokens of its API",
        description=(
            "Without an action: serves the console until SIGTERM or Ctrl-C. It reads the topics of cases and alerts, "
            "publishes the analysts' actions for the case agent (`fraudstream cases`, which must run), and keeps "
            "users and sessions in Redis."
        ),
        epilog=(
            "example:\n"
            "  fraudstream console user add ann --role analyst\n"
            "  fraudstream console --bootstrap-servers kafka-1:9092 --redis-url redis://redis:6379/0"
        ),
        formatter_class=_EXAMPLE,
    )
    add_setting(parser, "kafka.bootstrap_servers")
    add_setting(parser, "redis.url", "--redis-url")
    add_setting(parser, "console.host")
    add_setting(parser, "console.port")
    add_setting(parser, "console.index_directory")
    add_setting(parser, "log.level", "--log-level")
    parser.add_argument(
        "--rebuild", action="store_true", help="build the index of cases anew from the topic, and serve meanwhile"
    )
    parser.add_argument("--json", action="store_true", help="write the log, or print the result, as JSON")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    _add_user(actions)
    _add_token(actions)
    _add_team(actions)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Serve, or manage users and tokens. Raises `Failure`."""
    if missing := missing_packages():
        raise Failure(f"the console needs more packages ({', '.join(missing)}): pip install 'fraudstream[console]'.")
    if args.action is None:
        from fraudstream.cli.console_server import run_server

        return run_server(settings, as_json=args.json, rebuild=args.rebuild)
    if args.action == "token":
        from fraudstream.cli.console_tokens import run_token_action

        return run_token_action(args, settings)
    if args.action == "team":
        from fraudstream.cli.console_teams import run_team_action

        return run_team_action(args, settings)
    from fraudstream.cli.console_users import run_user_action

    return run_user_action(args, settings)


def missing_packages() -> list[str]:
    """The packages that the console needs and that are not installed."""
    return [name for name in _NEEDED if find_spec(name) is None]


def _add_user(actions: Subparsers) -> None:
    user = actions.add_parser(
        "user",
        help="add, list, change and remove users",
        description="Add, list, change and remove the console's local users. They are kept in Redis.",
        epilog="example:\n  fraudstream console user add ann --role analyst",
        formatter_class=_EXAMPLE,
    )
    verbs = user.add_subparsers(title="actions", metavar="ACTION", dest="user_action", required=True)
    add = verbs.add_parser(
        "add",
        help="add a user, and print a password for the first log-in",
        description="Add a user. Prints a password to replace at the first log-in, unless --password-stdin.",
        epilog="example:\n  fraudstream console user add ann --role analyst",
        formatter_class=_EXAMPLE,
    )
    add.add_argument("name", metavar="NAME", help="name to log in with, and actor of the user's actions")
    add.add_argument("--team", metavar="TEAM", help="whose cases the user sees (default: all)")
    add.add_argument("--role", required=True, choices=ROLES, help="what the user may do: see docs/console.md")
    password = verbs.add_parser(
        "password",
        help="replace a user's password, and end their sessions",
        description="Replace a user's password, as `add` makes it, and end all their sessions.",
        epilog="example:\n  fraudstream console user password ann",
        formatter_class=_EXAMPLE,
    )
    password.add_argument("name", metavar="NAME")
    for verb in (add, password):
        verb.add_argument(
            "--password-stdin", action="store_true", help="take the first line of standard input as the password"
        )
    change = verbs.add_parser(
        "change",
        help="give a user another role or team, and end their sessions",
        description="Give a user another role or team, and end all their sessions, so that they log in again.",
        epilog="example:\n  fraudstream console user change ann --role senior --team cards",
        formatter_class=_EXAMPLE,
    )
    change.add_argument("name", metavar="NAME")
    change.add_argument("--role", choices=ROLES, help="what the user may do: see docs/console.md")
    team = change.add_mutually_exclusive_group()
    team.add_argument("--team", metavar="TEAM", help="whose cases the user sees")
    team.add_argument("--no-team", action="store_true", help="the user sees all cases")
    remove = verbs.add_parser(
        "remove",
        help="remove a user, and end their sessions",
        epilog="example:\n  fraudstream console user remove ann",
        formatter_class=_EXAMPLE,
    )
    remove.add_argument("name", metavar="NAME")
    listing = verbs.add_parser(
        "list",
        help="every user with role and number of sessions",
        epilog="example:\n  fraudstream console user list --json",
        formatter_class=_EXAMPLE,
    )
    for verb in (add, change, password, remove, listing):
        _add_store_flags(verb)


def _add_token(actions: Subparsers) -> None:
    token = actions.add_parser(
        "token",
        help="add, list and revoke tokens of the API",
        description="Add, list and revoke the tokens with which programs use the API. Redis keeps their SHA-256 alone.",
        epilog="example:\n  fraudstream console token add core-banking --scope cases:read --for 90d",
        formatter_class=_EXAMPLE,
    )
    verbs = token.add_subparsers(title="actions", metavar="ACTION", dest="token_action", required=True)
    add = verbs.add_parser(
        "add",
        help="make a token, and print it once",
        epilog="example:\n  fraudstream console token add core-banking --scope cases:read --scope cases:act --for 90d",
        formatter_class=_EXAMPLE,
    )
    add.add_argument("name", metavar="NAME", help="of the program; its actions on cases have the actor api:NAME")
    add.add_argument("--scope", action="append", required=True, choices=SCOPES, help="what it permits; repeatable")
    add.add_argument(
        "--for", dest="for_ms", metavar="TIME", type=duration_ms, default="90d", help="it expires then (default: 90d)"
    )
    add.add_argument("--team", metavar="TEAM", help="whose cases it sees (default: all)")
    listing = verbs.add_parser(
        "list",
        help="every token with its id, scopes and end",
        epilog="example:\n  fraudstream console token list --json",
        formatter_class=_EXAMPLE,
    )
    revoke = verbs.add_parser(
        "revoke",
        help="end a token at once",
        epilog="example:\n  fraudstream console token revoke 3f9ac01b77d2",
        formatter_class=_EXAMPLE,
    )
    revoke.add_argument("id", metavar="ID", help="as `list` shows it")
    for verb in (add, listing, revoke):
        _add_store_flags(verb)


def _add_team(actions: Subparsers) -> None:
    team = actions.add_parser(
        "team",
        help="say which cases the members of a team see",
        description="Teams see the cases of their queues, and those with one of their typologies. Kept in Redis.",
        epilog="example:\n  fraudstream console team set cards --typology card_testing --queue high_value",
        formatter_class=_EXAMPLE,
    )
    verbs = team.add_subparsers(title="actions", metavar="ACTION", dest="team_action", required=True)
    put = verbs.add_parser(
        "set",
        help="add a team, or replace what it sees",
        epilog="example:\n  fraudstream console team set cards --typology card_testing --typology card_theft",
        formatter_class=_EXAMPLE,
    )
    put.add_argument("name", metavar="NAME")
    put.add_argument("--queue", metavar="QUEUE", action="append", default=[], help="it sees this queue; repeatable")
    put.add_argument("--typology", metavar="NAME", action="append", default=[], help="and this typology; repeatable")
    put.add_argument(
        "--partner",
        metavar="ID",
        action="append",
        default=[],
        help="of these, or of all without --queue and --typology, only cases with payments of this partner; repeatable",
    )
    remove = verbs.add_parser(
        "remove",
        help="remove a team without members",
        epilog="example:\n  fraudstream console team remove cards",
        formatter_class=_EXAMPLE,
    )
    remove.add_argument("name", metavar="NAME")
    listing = verbs.add_parser(
        "list",
        help="every team with what it sees",
        epilog="example:\n  fraudstream console team list",
        formatter_class=_EXAMPLE,
    )
    for verb in (put, remove, listing):
        _add_store_flags(verb)


def _add_store_flags(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--redis-url",
        dest="redis.url",
        metavar="URL",
        default=argparse.SUPPRESS,
        help="Redis that holds users and tokens (setting redis.url)",
    )
    verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
