"""`fraudstream publish`: publish a file's payments, and its labels when they are due, to the payments topic."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import (
    add_payment_file,
    file_failure,
    no_payment_code,
    open_payment_files,
    skipped_rows_text,
)
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import add_label_delay

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.paced_publisher import Published


def add_parser(subparsers: Subparsers) -> None:
    """Add `publish`."""
    parser = subparsers.add_parser(
        "publish",
        help="publish a file of payments to the payments topic",
        description=(
            "Publishes the payments of a file in order, keyed by account, and each label when its delay has passed in "
            "the file's own time."
        ),
        epilog="example:\n  fraudstream publish payments.csv --mapping sparkov --rate 1000",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_payment_file(parser)
    parser.add_argument(
        "--rate", metavar="N", type=float, help="events a second (default: as fast as the broker takes them)"
    )
    add_label_delay(parser)
    parser.add_argument(
        "--bad-rows",
        metavar="FILE",
        type=Path,
        default="bad_rows.jsonl",
        help="where to list the rows that --on-bad-row skip leaves out (default: bad_rows.jsonl)",
    )
    add_setting(parser, "kafka.bootstrap_servers")
    add_setting(parser, "topics.payments", "--topic")
    parser.add_argument("--json", action="store_true", help="print counts as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Publish the file. Raises `Failure`, `OperationError`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.label_order import in_order
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.operations.event_publisher import EventPublisher
    from fraudstream.operations.paced_publisher import FixedRate, Unpaced, publish_paced

    if args.rate is not None and args.rate <= 0:
        raise Failure(f"--rate {args.rate:g}: must be more than 0.")
    report = RowReport(args.bad_rows, lambda sentence: print(sentence, file=sys.stderr))
    files = open_payment_files(args, args.files, report, settings)
    brokers, topic = settings.kafka.brokers(), settings.topics.payments
    started = time.perf_counter()

    async def publish() -> Published:
        sequence = in_order(files.batches(args.sort), args.label_delay, labelled_until_ms=time.time_ns() // 1_000_000)
        pace = Unpaced() if args.rate is None else FixedRate(args.rate)
        with payments_progress("publish", files.rows, quiet=args.json) as advance:
            async with EventPublisher(
                brokers, topic, settings.publishers.partitioner, settings.signatures.given().labels
            ) as publisher:
                return await publish_paced(
                    publisher, sequence, pace, on_published=lambda payments, labels: advance(payments, 0)
                )

    try:
        payments, labels = run_on_cluster(brokers, publish)
    except PaymentFileError as error:
        raise file_failure(error) from error
    finally:
        report.close()
    seconds = time.perf_counter() - started
    if args.json:
        counts = {"payments": payments, "labels": labels, "rows_excluded": report.excluded, "rows_skipped": report.bad}
        print(json.dumps({"topic": topic, **counts, "seconds": round(seconds, 3)}))
    else:
        print(f"{payments:,} payments and {labels:,} labels published to {topic} in {seconds:.1f} s.")
        for line in skipped_rows_text(report):
            print(line)
    return no_payment_code(payments, report)
