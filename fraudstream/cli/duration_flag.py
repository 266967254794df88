"""A flag that is a length of time: `90s`, `15m`, `24h`, `7d`, or `0`."""

from __future__ import annotations

import argparse

from fraudstream.contracts.duration import parse_duration


def duration_ms(text: str) -> int:
    """For `type=` of a flag: milliseconds."""
    if text == "0":
        return 0
    try:
        return int(parse_duration(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
