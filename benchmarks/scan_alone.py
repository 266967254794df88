"""What it costs to make columns of payments: by the scanner, and by msgspec and `read_columns`, on the same records.

    python -m benchmarks.scan_alone [--rounds 20]

CPU time of this thread, both ways in turn; medians. Both decode, compare keys with accounts, check, and build the
columns that the loads' rule sets read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from operator import ne
from statistics import median
from typing import Final

import msgspec
import numpy as np

from benchmarks.payments import payments
from fraudstream.contracts import Payment
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.decode import decode
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.expression import Symbols, Type
from fraudstream.engine.frame import FrameLayout, new_frame
from fraudstream.engine.records import Record, records_of
from fraudstream.engine.scan import Scanner

COUNT, ACCOUNTS = 34_000, 10_000
LISTS = (3_400, 100, 20)
PUBLISHED_AT_MS, TOO_FAR_AHEAD_MS = 1_800_000_000_000, 86_400_000
ATTRIBUTES: Final[Symbols] = {"beneficiary_name_match": Type.BOOL}
LAYOUTS: Final = {
    "small": FrameLayout(("amount",), ("event_id",), ("event_id", "account_id")),
    "shipped": FrameLayout(
        numbers=(
            *("amount", "balance_before", "balance_after", "lat", "lon", "card_present", "hour"),
            "attributes.beneficiary_name_match",
        ),
        texts=(
            *("event_id", "direction", "kind", "channel", "partner_id", "merchant_id", "counterparty_id", "device_id"),
            "country",
        ),
        spans=("event_id", "account_id", "device_id", "counterparty_id"),
    ),
}


def main() -> None:
    """Measure and print a line for each load and length of a list."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan_alone", description="What columns cost.")
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    for load, layout in LAYOUTS.items():
        drawn = [
            Record(i, PUBLISHED_AT_MS, payment.account_id.encode(), msgspec.json.encode(payment), ())
            for i, payment in enumerate(payments(load, COUNT, ACCOUNTS))
        ]
        for length in LISTS:
            lists = [drawn[at : at + length] for at in range(0, min(COUNT, rounds * length), length)]
            scanned, decoded = measure(layout, lists)
            print(f"{load}, lists of {length:5,}: scanner {scanned:.3f} µs a payment, msgspec {decoded:.2f} µs")


def measure(layout: FrameLayout, lists: Sequence[Sequence[Record]]) -> tuple[float, float]:
    """CPU µs a payment of the scanner, and of msgspec and `read_columns`."""
    scanner = Scanner(layout, ATTRIBUTES, PUBLIC_KEY, TOO_FAR_AHEAD_MS)
    spent: tuple[list[float], list[float]] = ([], [])
    for records in (lists[0], *lists, *lists):
        packed, frame, flagged = records_of(records), new_frame(layout, len(records)), np.empty(len(records), np.uint8)
        spent[0].append(_cpu_us(lambda: scanner.scan(packed, frame, flagged)) / len(records))  # noqa: B023
        assert not flagged.any(), "these payments are plain"
        spent[1].append(_cpu_us(lambda: _decode(layout, records)) / len(records))  # noqa: B023
    return median(spent[0][1:]), median(spent[1][1:])  # the first scan compiles


def _decode(layout: FrameLayout, records: Sequence[Record]) -> None:
    events = [event for event in decode([record.value for record in records]) if isinstance(event, Payment)]
    assert not any(map(ne, [record.key for record in records], [event.account_id.encode() for event in events]))
    published = np.array([record.timestamp for record in records], np.int64)
    columns, _, _ = read_columns(events, published, TOO_FAR_AHEAD_MS, ATTRIBUTES, PUBLIC_KEY)
    for name in layout.numbers + layout.texts[1:]:
        columns.column(name)


def _cpu_us(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1e6


if __name__ == "__main__":
    main()
