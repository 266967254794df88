"""The command line of `fraudstream up`, and the environment of a run: stop signals, temporary files, broker and
Redis."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import FORMATS, add_reading, skipped_rows_text
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.board.run_state import RunState
    from fraudstream.cli.main import Subparsers
    from fraudstream.cli.up.display import Display
    from fraudstream.cli.up.feed import FileFeed, GeneratedFeed
    from fraudstream.cli.up.one_run import Run
    from fraudstream.cli.up.run_settings import RunBroker
    from fraudstream.supervision.stop_signals import StopSignals

WORKERS_MAX = 64
WORKERS_HELP = (
    "worker processes (default: 1, which judges all entities from one partition; several share more partitions, and "
    "further entities have stages of their own; with worker.stages=single all but one are standbys)"
)
EXIT_CODE_FORCED = 130  # 128 + SIGINT, as shells count
_RESTORE_TERMINAL = "\x1b[?1049l\x1b[?25h"  # leave the alternate screen, show the cursor


def add_parser(subparsers: Subparsers) -> None:
    """Add the command `up`."""
    parser = subparsers.add_parser(
        "up",
        help="start the whole system on this machine: broker, Redis, workers, cases, payments, a live board",
        description=(
            "Starts a broker and Redis, workers, the case agent and a stream of payments, and shows alerts "
            "and cases. Everything listens on free ports of 127.0.0.1 only, and is removed after Ctrl-C. The embedded "
            "broker keeps all data in memory: for demos and tests, not for production. Any Kafka client may read and "
            "write beside it, except in transactions: for these there is --broker kafka."
        ),
        epilog=(
            "examples:\n"
            "  fraudstream up --workers 2 --rate 200\n"
            "  fraudstream up --payments transactions.csv --mapping sparkov\n"
            "  fraudstream up --plain --for 60\n"
            "  fraudstream up --seed 2 --start 2026-01-05T08:00:00Z\n"
            "  fraudstream up --broker kafka"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--broker",
        choices=("embedded", "kafka"),
        default="embedded",
        help="embedded: in memory, needs nothing; kafka: Apache Kafka, needs Java 17 and Maven (default: embedded)",
    )
    parser.add_argument("--workers", metavar="N", type=positive_count, default=1, help=WORKERS_HELP)
    parser.add_argument(
        "--rate", metavar="N", type=float, help="payments a second (default: 50; a file: as fast as they are decided)"
    )
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="seed of the generated payments (default: 1)")
    parser.add_argument(
        "--start",
        metavar="TIME",
        help="event time at which the generated payments begin, after 4 days of history, ISO 8601. It passes faster "
        "than the clock until it reaches the present, and then with it (default: 08:00 UTC of a working day some days "
        "ago, so that --rate holds for 20 minutes or more). The same start and seed give the same payments",
    )
    parser.add_argument(
        "--accounts", metavar="N", type=positive_count, default=10_000, help="customers (default: 10000)"
    )
    parser.add_argument(
        "--payments", metavar="FILE", type=Path, nargs="+", help=f"read payments from files or directories: {FORMATS}"
    )
    add_reading(parser)
    parser.add_argument(
        "--for", metavar="SECONDS", type=float, dest="seconds", help="stop this long after the first decision"
    )
    add_setting(parser, "rules.directory", "--rules")
    parser.add_argument(
        "--plain", action="store_true", help="lines instead of the board; the default without a terminal"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines instead of the board")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="at the end write the board to FILE, as SVG")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run until a stop signal, a failure, or the time of `--for`; the exit code. Raises `Failure`.

    The first signal stops the run in order, a second one ends it at once. That is safe: the children die with it.
    """
    from fraudstream.supervision.stop_signals import StopSignals

    try:
        scratch = Path(tempfile.mkdtemp(prefix="fraudstream-up-"))
    except OSError as error:
        raise Failure(f"no place for temporary files: {error.strerror or error}. Set TMPDIR to a directory.") from error
    signals = StopSignals(
        on_repeat=lambda: _exit_at_once(scratch), signals=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    try:
        with signals:
            try:
                return _run(args, settings, scratch, signals)
            except KeyboardInterrupt:
                print("fraudstream: stopped before everything was started.")
                return 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _exit_at_once(scratch: Path) -> NoReturn:
    shutil.rmtree(scratch, ignore_errors=True)
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), _RESTORE_TERMINAL.encode())
    os._exit(EXIT_CODE_FORCED)


def _run(args: argparse.Namespace, settings: Settings, scratch: Path, signals: StopSignals) -> int:
    from fraudstream.cli.command_process import kernel_process
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.up.feed import FileFeed
    from fraudstream.cli.up.one_run import Run, RunOptions
    from fraudstream.embedded import EmbeddedError, embedded_redis

    options = RunOptions(_workers(args), _feed(args, settings), args.seconds, args.picture)
    logging.basicConfig(filename=scratch / "up.log", level=logging.WARNING)  # the board occupies the terminal
    rules = str(Path(settings.rules.directory).resolve())
    load_rule_set(Path(rules))  # faults in rules are reported before anything starts
    with ExitStack() as stack:
        kernel = kernel_process(rules, os.environ)
        kernel.start()
        stack.callback(kernel.kill)
        try:
            broker = stack.enter_context(_broker(args.broker, scratch))
            redis_url = stack.enter_context(embedded_redis())
        except EmbeddedError as error:
            raise Failure(str(error)) from error
        system = Run(options, settings, broker, redis_url, scratch, kernel)
        stack.callback(system.kill)
        signals.stop = system.stop
        asyncio.run(_run_with_display(system, args))
    if isinstance(options.feed, FileFeed):
        for line in (*skipped_rows_text(options.feed.report), *options.feed.report.notices):
            print(line, file=sys.stderr)
    if system.failure is not None:
        raise system.failure
    return 0


@contextmanager
def _broker(kind: str, scratch: Path) -> Iterator[RunBroker]:
    """The broker that `--broker` names, until the block ends. Raises `EmbeddedError`, `Failure`."""
    from fraudstream.cli.up.apache_kafka import apache_kafka
    from fraudstream.cli.up.run_settings import RunBroker
    from fraudstream.embedded import embedded_broker

    if kind == "kafka":
        with apache_kafka(scratch) as servers:
            yield RunBroker("Apache Kafka", servers, "transaction")
    else:
        with embedded_broker() as servers:
            yield RunBroker("embedded broker", servers, "batch")


async def _run_with_display(system: Run, args: argparse.Namespace) -> None:
    display = _display(args, system.state)
    try:
        await system.run(display)
    finally:
        if not isinstance(system.failure, BrokenPipeError):
            display.close()


def _display(args: argparse.Namespace, state: RunState) -> Display:
    """The display, selected by the flags and the terminal."""
    from fraudstream.cli.up.display import JsonLines, Lines, Screen

    if args.json:
        return JsonLines(state)
    if args.plain or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return Lines(state)
    return Screen(state)


def _workers(args: argparse.Namespace) -> int:
    """The number of workers. Raises `Failure` for numbers that are out of range."""
    if not 1 <= args.workers <= WORKERS_MAX:
        raise Failure(f"--workers {args.workers}: must be 1 to {WORKERS_MAX}.")
    if args.seconds is not None and args.seconds < 0:
        raise Failure(f"--for {args.seconds:g}: must be 0 or more seconds.")
    if args.rate is not None and args.rate <= 0:
        raise Failure(f"--rate {args.rate:g}: must be more than 0 payments a second.")
    return int(args.workers)


def _feed(args: argparse.Namespace, settings: Settings) -> GeneratedFeed | FileFeed:
    """Where the payments come from. Raises `Failure` for flags that contradict each other."""
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.cli.payment_file_flags import open_payment_files
    from fraudstream.cli.up.feed import RATE, FileFeed, GeneratedFeed
    from fraudstream.contracts.timestamps import parse_utc_ms

    if args.payments is None and args.mapping is not None:
        raise Failure("--mapping NAME is given without --payments FILE, whose columns it names.")
    if args.payments is not None:
        if args.start is not None:
            raise Failure("--start TIME is of generated payments: those of --payments FILE have their own times.")
        report = RowReport(Path("bad_rows.jsonl"))
        return FileFeed(open_payment_files(args, args.payments, report, settings), report, args.sort, args.rate)
    try:
        start_ms = None if args.start is None else parse_utc_ms(args.start, zone_required=False)
        return GeneratedFeed(args.seed, args.accounts, args.rate or RATE, start_ms)
    except msgspec.ValidationError as error:
        raise Failure(f"payments cannot be generated with these flags: {error}.") from error
    except ValueError as error:
        raise Failure(f"--start {args.start}: {str(error).rstrip('.')}.") from error
