"""The command line of `fraudstream up`, and the frame of a run: interrupts, the scratch directory, broker and Redis."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.cli.up.display import Display
    from fraudstream.cli.up.feed import FileFeed, GeneratedFeed
    from fraudstream.cli.up.interrupts import Interrupts
    from fraudstream.cli.up.parent import Parent

WORKERS_MAX = 64


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "up",
        help="start all of it on this machine: broker, Redis, workers, cases, payments, a live board",
        description=(
            "Starts an embedded broker and Redis, workers, the case agent and a stream of payments, and shows fraud "
            "being caught. Everything listens on 127.0.0.1 alone, on free ports, and is gone after Ctrl-C. The "
            "embedded broker keeps all in memory: for demos and tests, not for production."
        ),
        epilog=(
            "examples:\n"
            "  fraudstream up --workers 2 --rate 200\n"
            "  fraudstream up --payments transactions.csv --mapping sparkov\n"
            "  fraudstream up --plain --for 60"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", metavar="N", type=int, default=1, help="worker processes (default: 1)")
    parser.add_argument(
        "--rate", metavar="N", type=float, help="payments a second (default: 50; a file: as fast as they are judged)"
    )
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="another seed, other payments (default: 1)")
    parser.add_argument("--accounts", metavar="N", type=int, default=10_000, help="customers (default: 10000)")
    parser.add_argument("--payments", metavar="FILE", type=Path, help="payments of this file, Parquet or CSV, instead")
    parser.add_argument(
        "--mapping", metavar="NAME", help="which columns make a payment: a shipped name or a .yaml file"
    )
    parser.add_argument("--sort", action="store_true", help="sort the file by time first (held in memory)")
    parser.add_argument(
        "--for", metavar="SECONDS", type=float, dest="seconds", help="stop so long after the first decision"
    )
    add_setting(parser, "rules.directory", "--rules")
    parser.add_argument(
        "--plain", action="store_true", help="lines instead of the board, as where there is no terminal"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines instead of the board")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="at the end write the board to FILE, as SVG")


def run(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cli.up.interrupts import Interrupts

    scratch = Path(tempfile.mkdtemp(prefix="fraudstream-up-"))
    try:
        with Interrupts(last=lambda: shutil.rmtree(scratch, ignore_errors=True)) as interrupts:
            try:
                return _run(args, settings, scratch, interrupts)
            except KeyboardInterrupt:
                print("fraudstream: stopped before it was up.")
                return 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(args: argparse.Namespace, settings: Settings, scratch: Path, interrupts: Interrupts) -> int:
    from fraudstream.cli.child import Child
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.up.parent import Ask, Parent
    from fraudstream.embedded import EmbeddedError, embedded_broker, embedded_redis

    ask = Ask(_workers(args), _feed(args), args.seconds, args.picture)
    logging.basicConfig(filename=scratch / "up.log", level=logging.WARNING)  # the board has the terminal to itself
    rules = str(Path(settings.rules.directory).resolve())
    load_rule_set(Path(rules))  # faulty rules are told before anything starts
    with ExitStack() as stack:
        kernel = Child("kernel", ["fraudstream.cli.compile_kernel", rules], os.environ)
        kernel.start()
        stack.callback(kernel.kill)
        try:
            broker = stack.enter_context(embedded_broker())
            redis_url = stack.enter_context(embedded_redis())
        except EmbeddedError as error:
            raise Failure(str(error)) from error
        parent = Parent(ask, settings, broker, redis_url, scratch, kernel)
        stack.callback(parent.kill)
        interrupts.stop = parent.stop
        asyncio.run(_live(parent, args))
    if parent.failure is not None:
        raise parent.failure
    return 0


async def _live(parent: Parent, args: argparse.Namespace) -> None:
    display = _face(args, parent)
    try:
        await parent.run(display)
    finally:
        if not isinstance(parent.failure, BrokenPipeError):
            display.close()


def _face(args: argparse.Namespace, parent: Parent) -> Display:
    from fraudstream.cli.up.display import JsonLines, Lines, Screen

    if args.json:
        return JsonLines(parent.state)
    if args.plain or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return Lines(parent.state)
    return Screen(parent.state)


def _workers(args: argparse.Namespace) -> int:
    if not 1 <= args.workers <= WORKERS_MAX:
        raise Failure(f"--workers {args.workers}: 1 to {WORKERS_MAX}.")
    if args.seconds is not None and args.seconds < 0:
        raise Failure(f"--for {args.seconds:g}: 0 or more seconds.")
    if args.rate is not None and args.rate <= 0:
        raise Failure(f"--rate {args.rate:g}: more than 0 payments a second.")
    return int(args.workers)


def _feed(args: argparse.Namespace) -> GeneratedFeed | FileFeed:
    from fraudstream.cli.payment_file_flags import open_payment_file
    from fraudstream.cli.up.feed import RATE, FileFeed, GeneratedFeed

    if (args.payments is None) != (args.mapping is None):
        raise Failure("--payments FILE and --mapping NAME go together: which columns of the file make a payment?")
    if args.payments is not None:
        args.file = args.payments
        return FileFeed(open_payment_file(args), args.sort, args.rate)
    try:
        return GeneratedFeed(args.seed, args.accounts, args.rate or RATE)
    except msgspec.ValidationError as error:
        raise Failure(f"nothing can be generated so: {error}.") from error
