"""`fraudstream history`: keep past payments and decisions in files; show, erase and check them."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fraudstream.cli import metrics_port
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers

_EXAMPLE = argparse.RawDescriptionHelpFormatter
DAYS_DEFAULT = 90
LIMIT_DEFAULT = 50


def add_parser(subparsers: Subparsers) -> None:
    """Add `history`, and its actions `show`, `erase` and `check`."""
    parser = subparsers.add_parser(
        "history",
        help="keep past payments and decisions in files; show, erase and check them",
        description=(
            "Without an action: follows the topics of payments and decisions, and writes them into a store of Parquet "
            "files, a directory for each table and day, until SIGTERM or Ctrl-C. Each record is there once, whatever "
            "kills this process. One process writes to a store; any number may read it."
        ),
        epilog=(
            "example:\n"
            "  fraudstream history --directory /var/lib/fraudstream/history --bootstrap-servers kafka-1:9092\n"
            "  fraudstream history show --directory /var/lib/fraudstream/history --account acct-7"
        ),
        formatter_class=_EXAMPLE,
    )
    add_setting(parser, "history.directory")
    add_setting(parser, "kafka.bootstrap_servers")
    parser.add_argument("--once", action="store_true", help="end once all is written that the topics hold now")
    metrics_port.add_flags(parser, "metrics.history_port")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    show = actions.add_parser(
        "show",
        help="the newest payments of an account, with their decisions",
        epilog="example:\n  fraudstream history show --account acct-7 --days 30 --json",
        formatter_class=_EXAMPLE,
    )
    show.add_argument("--account", metavar="ID", required=True)
    show.add_argument(
        "--days",
        type=positive_count,
        default=DAYS_DEFAULT,
        metavar="COUNT",
        help="of the last COUNT days (default: 90)",
    )
    show.add_argument(
        "--limit", type=positive_count, default=LIMIT_DEFAULT, metavar="COUNT", help="at most COUNT (default: 50)"
    )
    erase = actions.add_parser(
        "erase",
        help="remove an account from the store",
        description=(
            "Removes every row of an account, and keeps a record that it was done, with a digest of the account's id. "
            "Where a writer runs, it does this within history.commit_interval_s. Topics and cases are not touched."
        ),
        epilog="example:\n  fraudstream history erase --account acct-7",
        formatter_class=_EXAMPLE,
    )
    erase.add_argument("--account", metavar="ID", required=True)
    erase.add_argument("--by", metavar="NAME", help="name recorded as the author (default: your login name)")
    check = actions.add_parser(
        "check",
        help="compare the files with the manifest, and the rows with each other",
        description="Exit code 1 if something is wrong. Check a store that no writer is changing.",
        epilog="example:\n  fraudstream history check --directory /var/lib/fraudstream/history",
        formatter_class=_EXAMPLE,
    )
    for action in (show, erase, check):
        action.add_argument(
            "--directory",
            dest="history.directory",
            metavar="DIR",
            default=argparse.SUPPRESS,
            help="directory of the history store (setting history.directory)",
        )
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write, or one of the actions. Raises `Failure`, `OperationError`."""
    from fraudstream.history.errors import HistoryError

    try:
        match args.action:
            case None:
                from fraudstream.cli.history_writer import run_writer

                return run_writer(settings, once=args.once, as_json=args.json)
            case "show":
                return _show(args, settings)
            case "erase":
                from fraudstream.cli.history_erasure import run_erasure

                return run_erasure(args, settings)
            case _:
                return _check(args, settings)
    except HistoryError as error:
        raise Failure(error.sentence) from error


def can_read() -> bool:
    """Whether what reading a store needs is installed."""
    return find_spec("duckdb") is not None


def _show(args: argparse.Namespace, settings: Settings) -> int:
    if not can_read():
        raise Failure("reading the history needs the package duckdb: pip install 'fraudstream[history]'.")
    from fraudstream.cli.history_text import payment_document, print_payments
    from fraudstream.history.reader import HistoryReader
    from fraudstream.history.tables import DAY_MS

    reader = HistoryReader(settings.history.root())
    try:
        since_ms = max((reader.newest_ms() or 0) - args.days * DAY_MS, 0)
        payments = reader.payments("account", args.account, since_ms=since_ms, rows=args.limit)
        summary = reader.summary("account", args.account, since_ms=since_ms)
    finally:
        reader.close()
    if args.json:
        print(json.dumps({"payments": summary.payments, "newest": [payment_document(each) for each in payments]}))
    else:
        print_payments(args.account, args.days, summary, payments)
    return exit_codes.DONE


def _check(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.history.check import faults
    from fraudstream.history.manifest import load

    root = settings.history.root()
    manifest = load(root)
    if manifest is None:
        raise Failure(f"there is no history in {root}.")
    found, sizes = faults(root), manifest.sizes()
    if args.json:
        print(json.dumps({"faults": found, "tables": {table: size._asdict() for table, size in sizes.items()}}))
    else:
        for fault in found:
            print(fault)
        for table, size in sizes.items():
            print(f"{table}: {size.rows:,} rows in {size.files:,} files of {size.bytes:,} bytes")
        print("the store is whole" if not found else f"faults: {len(found)}")
    return exit_codes.FAILED if found else exit_codes.DONE
