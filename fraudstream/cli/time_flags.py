"""Flags that are a duration (`90s`, `7d`, `0`) or a time (`2027-01-01T00:00:00Z`), and the time now."""

from __future__ import annotations

import argparse
import time

from fraudstream.contracts.duration import parse_duration
from fraudstream.contracts.timestamps import parse_utc_ms


def duration_ms(text: str) -> int:
    """For `type=` of a flag: a duration in milliseconds; `0` needs no unit."""
    if text == "0":
        return 0
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_label_delay(parser: argparse.ArgumentParser) -> None:
    """`--label-delay`: the time from each payment of a file to its label, in ms."""
    parser.add_argument(
        "--label-delay",
        metavar="TIME",
        type=duration_ms,
        default="7d",
        help="from a payment to its label (default: 7d)",
    )


def time_ms(text: str) -> int:
    """For `type=` of a flag: a date and time with its zone, as ms since the epoch, UTC."""
    try:
        return parse_utc_ms(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def date_ms(text: str) -> int:
    """For `type=` of a flag: a date, or a date and time, UTC unless it has a zone; as ms since the epoch, UTC."""
    try:
        return parse_utc_ms(text, zone_required=False)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def now_ms() -> int:
    """The time on this machine's clock, ms since the epoch, UTC."""
    return time.time_ns() // 1_000_000
