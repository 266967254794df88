"""`fraudstream publish`: put a file's payments, and its labels when they are due, on the payments topic."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fraudstream.cli.duration_flag import duration_ms
from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import add_payment_file, open_payment_file
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.backtest.label_order import Events
    from fraudstream.cli.main import Subparsers
    from fraudstream.kafka import Brokers

EVENTS_AT_ONCE = 5_000
_PIECES_A_SECOND = 50  # at a given rate: small enough to look steady


def add_parser(subparsers: Subparsers) -> None:
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
    parser.add_argument("--rate", metavar="N", type=float, help="events a second (default: as fast as it goes)")
    parser.add_argument(
        "--label-delay", metavar="TIME", type=duration_ms, default="7d", help="until a label is known (default: 7d)"
    )
    add_setting(parser, "kafka.bootstrap_servers")
    add_setting(parser, "topics.payments", "--topic")
    parser.add_argument("--json", action="store_true", help="print counts as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.label_order import in_batches, in_order

    if args.rate is not None and args.rate <= 0:
        raise Failure(f"--rate {args.rate:g}: more than 0.")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what goes wrong is told in one sentence
    file = open_payment_file(args)
    size = EVENTS_AT_ONCE if args.rate is None else max(1, min(EVENTS_AT_ONCE, round(args.rate / _PIECES_A_SECOND)))
    brokers, topic = settings.kafka.brokers(), settings.topics.payments
    started = time.perf_counter()
    try:
        with payments_progress("publish", file.rows, quiet=args.json) as advance:
            pieces = in_batches(in_order(file.batches(args.sort), args.label_delay), size)
            payments, labels = asyncio.run(publish_pieces(brokers, topic, pieces, args.rate, advance))
    except PaymentFileError as error:
        raise Failure(str(error)) from error
    seconds = time.perf_counter() - started
    if args.json:
        print(json.dumps({"topic": topic, "payments": payments, "labels": labels, "seconds": round(seconds, 3)}))
    else:
        print(f"{payments:,} payments and {labels:,} labels published to {topic} in {seconds:.1f} s.")
    return 0


async def publish_pieces(
    brokers: Brokers, topic: str, pieces: Iterable[Events], rate: float | None, advance: Callable[[int, int], None]
) -> tuple[int, int]:
    """Publish every piece, `rate` events a second; the numbers of payments and labels. Raises `Failure`."""
    from fraudstream.cli.event_publisher import EventPublisher
    from fraudstream.contracts import Label

    payments = labels = 0
    async with EventPublisher(brokers, topic) as publisher:
        started = time.monotonic()
        for piece in pieces:
            if rate is not None:
                await asyncio.sleep(started + (payments + labels) / rate - time.monotonic())
            await publisher.publish(piece.events)
            labels_here = sum(type(event) is Label for event in piece.events)
            labels += labels_here
            payments += len(piece.events) - labels_here
            advance(len(piece.events) - labels_here, 0)
    return payments, labels
