"""The flags `--by` and `--note` of commands that change how payments are decided."""

from __future__ import annotations

import argparse
import getpass

from fraudstream.cli.failure import Failure


def add_flags(parser: argparse.ArgumentParser) -> None:
    """`--by` and `--note`."""
    parser.add_argument("--by", metavar="NAME", help="name recorded as the author (default: your login name)")
    parser.add_argument("--note", metavar="TEXT", help="reason, recorded with the change")


def author_of(args: argparse.Namespace) -> str:
    """The author: `--by`, else the login name. Raises `Failure` if there is neither."""
    return str(args.by) if args.by is not None else login_name("--by")


def login_name(flag: str) -> str:
    """The user's login name. Raises `Failure`, which names `flag`, if there is none, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise Failure(f"There is no login name: pass your name with {flag} NAME.") from None
