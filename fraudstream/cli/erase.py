"""`fraudstream erase`: erase an account's personal data everywhere; find where it is held."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fraudstream.cli.cluster_command import add_flags
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add `erase`."""
    parser = subparsers.add_parser(
        "erase",
        help="erase an account's personal data everywhere, or find where it is held",
        description=(
            "Erases an account: its cases (from the topic, Redis and the console's index), their files, its rows "
            "of the history, and what the console keeps of it in Redis. Records of other topics expire; it prints "
            "by when. Safe to repeat, and after an error it goes on where it was. An open case, or a confirmed "
            "fraud whose retention has not ended, is under legal hold: nothing is erased then. Needs the case "
            "agent, and what is in docs/deployment.md under erasure. Exit codes: 0 done, 1 refused or failed; "
            "with --check 1 if data that can be erased now is left."
        ),
        epilog=(
            "example:\n  fraudstream erase acct-7 --dry-run\n  fraudstream erase acct-7\n"
            "  fraudstream erase acct-7 --check"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("account", metavar="ACCOUNT", help="id of the account")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="list what is held where, and erase nothing")
    what.add_argument("--check", action="store_true", help="look everywhere whether something is left")
    what.add_argument("--override", metavar="REASON", help="erase in spite of a legal hold; recorded in the audit log")
    parser.add_argument("--by", metavar="NAME", help="name recorded as the author (default: your login name)")
    add_flags(parser)
    add_setting(parser, "redis.url", "--redis-url")
    add_setting(parser, "history.directory", "--history")
    add_setting(parser, "evidence.directory", "--evidence")
    add_setting(parser, "rules.directory", "--rules")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Erase, or look. Raises `Failure`, `OperationError`."""
    from fraudstream.cli.erasure import erase
    from fraudstream.cli.erasure_report import list_places

    if args.dry_run or args.check:
        return list_places(args, settings)
    return erase(args, settings)
