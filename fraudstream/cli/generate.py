"""`fraudstream generate`: realistic payments with labelled fraud, to a file or a topic."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import duration_ms, now_ms
from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.timestamps import parse_utc_ms, utc
from fraudstream.generator.parameters import Parameters
from fraudstream.generator.parameters_text import parameters_text
from fraudstream.generator.plan import GeneratorPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fraudstream.backtest.label_order import LabelledPayments
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.paced_publisher import EventSequence, Published

FILE_COUNT = 100_000
FILE_START = "2025-01-01T00:00:00Z"
TOPIC_RATE = 100.0


def add_parser(subparsers: Subparsers) -> None:
    """Add `generate`."""
    parser = subparsers.add_parser(
        "generate",
        help="make realistic payments with labelled fraud, to a file or a topic",
        description=(
            "Payments of customers with homes, habits and devices, with frauds of sixteen typologies among them, and "
            "genuine payments that look like fraud. The same options give the same payments. docs/generator.md says "
            "what they are like."
        ),
        epilog=(
            "examples:\n"
            "  fraudstream generate --out payments.parquet --count 1000000 --seed 7  # read: --mapping generated\n"
            "  fraudstream generate --topic --rate 200\n"
            "  fraudstream generate --show-parameters > world.yaml  # edit it, then: --parameters world.yaml"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--out", metavar="FILE", type=Path, help=".parquet (with labels) or .jsonl (and .labels.jsonl)")
    to.add_argument(
        "--topic",
        metavar="NAME",
        nargs="?",
        const="",
        help="publish in real time to NAME (default: the payments topic)",
    )
    to.add_argument("--show-parameters", action="store_true", help="print the parameters of the world as YAML")
    parser.add_argument(
        "--parameters", metavar="FILE", type=Path, help="parameters of the world in YAML (default: --show-parameters)"
    )
    _add_plan(parser)
    parser.add_argument(
        "--speed",
        metavar="N",
        type=float,
        default=1.0,
        help="to a topic: seconds of event time per second; 0: no pauses",
    )
    parser.add_argument(
        "--label-delay",
        metavar="TIME",
        type=duration_ms,
        help="every payment is truly labelled after this time, to a topic frauds alone (default: each label has its "
        "own time, some are wrong at first, as the parameters say)",
    )
    add_setting(parser, "kafka.bootstrap_servers")
    parser.add_argument("--json", action="store_true", help="print counts as JSON")


def _add_plan(parser: argparse.ArgumentParser) -> None:
    """The flags of a `GeneratorPlan`."""
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="seed of the payments (default: 1)")
    parser.add_argument(
        "--count", metavar="N", type=positive_count, help="payments (default: 100000 to a file, endless to a topic)"
    )
    parser.add_argument(
        "--accounts", metavar="N", type=positive_count, default=10_000, help="customers (default: 10000)"
    )
    parser.add_argument(
        "--rate",
        metavar="N",
        type=float,
        help="payments a second of event time (default: as the parameters say to a file, 100 to a topic)",
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        help=(
            f"event time at which it begins, ISO 8601 (default: {FILE_START} to a file, now to a topic); "
            "dormant accounts have payments up to 89 days before it, which count"
        ),
    )
    parser.add_argument(
        "--history",
        metavar="TIME",
        type=duration_ms,
        default="0",
        help="length of the history before --start, published without pauses",
    )
    parser.add_argument(
        "--fraud-share", metavar="X", type=float, default=0.005, help="share of the payments (default: 0.005)"
    )
    parser.add_argument(
        "--run",
        metavar="NAME",
        help="part of every event_id, so that two runs into one topic have different ids (default: the seed "
        "to a file, the time of the start to a topic)",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Generate payments to a file or a topic. Raises `Failure`, `OperationError`."""
    if args.show_parameters:
        print(parameters_text(_parameters(args)), end="")
        return 0
    plan = plan_of(args, to_topic=args.out is None)
    started = time.perf_counter()
    if args.out is None:
        target = args.topic or settings.topics.payments
        payments = _to_topic(args, plan, settings, target)
    else:
        target = str(args.out)
        payments = _to_file(args, plan)
    seconds = time.perf_counter() - started
    if args.json:
        print(json.dumps({"to": target, "payments": payments, "seed": plan.seed, "seconds": round(seconds, 3)}))
    else:
        print(f"{payments:,} payments to {target} in {seconds:.1f} s.")
    return 0


def plan_of(args: argparse.Namespace, to_topic: bool) -> GeneratorPlan:
    """The plan that the flags describe. Raises `Failure`."""
    if args.speed < 0:
        raise Failure(f"--speed {args.speed:g}: must be 0 or more.")
    text = args.start or (None if to_topic else FILE_START)
    try:
        start_ms = now_ms() if text is None else parse_utc_ms(text, zone_required=False)
    except ValueError as error:
        raise Failure(f"--start: {error}") from error
    content = {
        "start_ms": start_ms,
        "seed": args.seed,
        "accounts": args.accounts,
        "rate": args.rate if args.rate is not None or not to_topic else TOPIC_RATE,
        "history_ms": args.history,
        "fraud_share": args.fraud_share,
        "run": args.run or (f"{args.seed}-{utc(now_ms()):%Y%m%dT%H%M%S}" if to_topic else None),
    }
    try:
        plan = msgspec.convert(content, GeneratorPlan)
    except msgspec.ValidationError as error:
        raise Failure(f"these options cannot be used together: {error}.") from error
    return msgspec.structs.replace(plan, parameters=_parameters(args))


def _parameters(args: argparse.Namespace) -> Parameters:
    """The parameters of the world. Raises `Failure` for an invalid file."""
    from fraudstream.cli.generator_parameters import read_parameters

    return Parameters() if args.parameters is None else read_parameters(args.parameters)


def _to_file(args: argparse.Namespace, plan: GeneratorPlan) -> int:
    from fraudstream.generator.files import write_jsonl, write_parquet
    from fraudstream.generator.stream import stream

    count = args.count or FILE_COUNT
    batches = stream(plan, count, args.label_delay)
    suffix = args.out.suffix.lower()
    if suffix not in (".parquet", ".jsonl"):
        raise Failure(f"{args.out}: the name must end in .parquet or .jsonl.")
    written = 0
    try:
        with payments_progress("generate", count, quiet=args.json) as advance:
            parquet = suffix == ".parquet"
            parts = write_parquet(batches, args.out) if parquet else write_jsonl(batches, args.out)
            for payments in parts:
                written += payments
                advance(payments, 0)
    except OSError as error:
        raise Failure(f"{args.out} can't be written: {system_error_text(error)}.") from error
    return written


def _to_topic(args: argparse.Namespace, plan: GeneratorPlan, settings: Settings, topic: str) -> int:
    """The number of payments published, once `--count` of them are. Raises `OperationError`."""
    from fraudstream.backtest.label_order import in_order
    from fraudstream.generator.label_records import events_in_order
    from fraudstream.generator.stream import stream
    from fraudstream.operations.event_publisher import EventPublisher
    from fraudstream.operations.paced_publisher import EventTime, Unpaced, publish_paced

    brokers = settings.kafka.brokers()

    async def publish() -> Published:
        now_ms = time.time_ns() // 1_000_000
        sequence: Iterable[EventSequence]
        if args.label_delay is None:
            sequence = events_in_order(stream(plan, args.count), now_ms)
        else:
            frauds = _only_frauds_labelled(plan, args.count)
            sequence = in_order(frauds, args.label_delay, labelled_until_ms=now_ms)
        pace = EventTime(plan.start_ms, args.speed) if args.speed else Unpaced()
        with payments_progress("generate", args.count, quiet=args.json) as advance:
            async with EventPublisher(
                brokers, topic, settings.publishers.partitioner, settings.signatures.given().labels
            ) as publisher:
                return await publish_paced(
                    publisher, sequence, pace, on_published=lambda payments, labels: advance(payments, 0)
                )

    return run_on_cluster(brokers, publish).payments


def _only_frauds_labelled(plan: GeneratorPlan, payments_max: int | None) -> Iterator[LabelledPayments]:
    """The plan's payments, endless without `payments_max`. Only frauds have labels, as nobody reports genuine
    payments."""
    import numpy as np

    from fraudstream.generator.stream import stream

    for batch in stream(plan, payments_max):
        yield batch.with_labels(np.where(batch.labels == 1, 1, -1).astype(np.int8))
