"""How a log is cut into batches."""

from __future__ import annotations

from itertools import pairwise

from tests.property.payment_logs import Log


def split(log: Log, cuts: list[int]) -> list[Log]:
    """The log cut at these positions; equal cuts, or cuts beyond the end, give empty batches."""
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    return [log[begin:end] for begin, end in pairwise(edges)]
