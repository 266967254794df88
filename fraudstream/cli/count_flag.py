"""The type of flags that take a count."""

from __future__ import annotations

import argparse


def positive_count(text: str) -> int:
    """A whole number of at least 1. Raises `argparse.ArgumentTypeError`.

    >>> positive_count("20")
    20
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
