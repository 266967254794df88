"""`fraudstream bench`: throughput, latency and changelog volume on this machine, next to a floor and plain Faust."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers


LOADS = ("small", "account", "shipped")


def add_parser(subparsers: Subparsers) -> None:
    """Add `bench`."""
    parser = subparsers.add_parser(
        "bench",
        help="measure throughput, latency and changelog volume on this machine",
        description="Measure one worker process through the embedded broker, telemetry on, next to a floor (fetch and "
        "decode, nothing else) and a plain Faust agent with a Table. Needs a checkout.",
        epilog="example:\n  fraudstream bench --count 1000000 --rounds 3",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=positive_count, default=1_000_000, help="payments in each throughput run")
    parser.add_argument("--accounts", type=positive_count, default=100_000, help="number of accounts")
    parser.add_argument("--rounds", type=positive_count, default=3, help="repetitions; the medians are printed")
    parser.add_argument("--load", choices=LOADS, action="append", help="only this load")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Measure and print the figures. Raises `Failure` outside a checkout."""
    try:
        from benchmarks import changelog, latency, throughput
    except ImportError as error:
        raise Failure("bench needs a checkout of fraudstream: run it there, as make bench does.") from error
    progress = Console(stderr=True)

    def report(line: str) -> None:
        progress.print(line, highlight=False)

    loads = args.load or list(LOADS)
    rates = throughput.measure(args.count, args.accounts, args.rounds, loads, report)
    report("latency at 1,000 payments/s")
    latencies = [latency.measure(load, rate=1000, seconds=20, accounts=args.accounts) for load in loads]
    report("changelog at 10,000 payments/s")
    volumes = [changelog.measure(load, rate=10_000, seconds=30, accounts=args.accounts) for load in loads]
    if args.json:
        figures = {
            "throughput": [result._asdict() for result in rates],
            "latency": [result._asdict() for result in latencies],
            "changelog": [result._asdict() for result in volumes],
        }
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
        return 0
    console = Console()
    console.print(_rates(rates))
    console.print(_latencies(latencies))
    console.print(_volumes(volumes))
    return 0


def _rates(results: list[Any]) -> Table:
    table = Table("load", "contender", title="Throughput, one process")
    for name in ("payments/s", "CPU µs each", "of the floor", "bar"):
        table.add_column(name, justify="right")
    for r in results:
        bar = "" if r.bar is None else f"{r.bar:.2f}"
        table.add_row(r.load, r.contender, f"{r.rate:,.0f}", f"{r.cpu_us:.2f}", f"{r.of_floor:.3f}", bar)
    return table


def _latencies(results: list[Any]) -> Table:
    table = Table("load", title="From publication, ms")
    for name in ("payments/s", "made p50", "p99", "read p50", "p99", "floor p50", "p99"):
        table.add_column(name, justify="right")
    for r in results:
        times = (r.made_p50, r.made_p99, r.read_p50, r.read_p99, r.floor_p50, r.floor_p99)
        table.add_row(r.load, f"{r.rate:,}", *(f"{time:.1f}" for time in times))
    return table


def _volumes(results: list[Any]) -> Table:
    table = Table("load", title="Changelog, before compression")
    for name in ("payments/s", "checkpoint every", "bytes a payment", "records a payment"):
        table.add_column(name, justify="right")
    for r in results:
        volume = (f"{r.bytes_a_payment:.0f}", f"{r.records_a_payment:.2f}")
        table.add_row(r.load, f"{r.rate:,}", f"{r.interval_s:g} s", *volume)
    return table
