"""Which small files of a day become one file.

Files are sorted into tiers by their rows, each tier eight times the one below. Eight files of a tier of one day become
one, so a row is written again once in each tier, and a day has few files however often rows arrive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from fraudstream.history.manifest import DataFile

FILES_A_TIER: Final = 8
TIER_ROWS: Final = 1_000
ROWS_LEFT_ALONE: Final = 256_000  # a file of so many rows is large enough; merging holds all its rows in memory


def tier_of(rows: int) -> int | None:
    """The tier of a file; None if it is never merged.

    >>> [tier_of(rows) for rows in (1, 999, 1_000, 7_999, 8_000, 256_000)]
    [0, 0, 1, 1, 2, None]
    """
    if rows >= ROWS_LEFT_ALONE:
        return None
    tier = 0
    while rows >= TIER_ROWS * FILES_A_TIER**tier:
        tier += 1
    return tier


def next_merge(files: Sequence[DataFile]) -> list[DataFile]:
    """Files of one table, day and tier that are to become one; empty if there are none. The smallest tier comes
    first."""
    tiers: defaultdict[tuple[int, str, int], list[DataFile]] = defaultdict(list)
    for file in files:
        tier = tier_of(file.rows)
        if tier is not None:
            tiers[tier, file.table, file.day].append(file)
    full = [key for key, found in tiers.items() if len(found) >= FILES_A_TIER]
    return tiers[min(full)][:FILES_A_TIER] if full else []
