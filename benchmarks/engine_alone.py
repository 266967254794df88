"""CPU time of the engine alone for lists of records of given lengths: what a list costs, and each payment in it.

    python -m benchmarks.engine_alone [--rules small shipped] [--lengths 20 3400] [--seconds 5]

The records are those of one partition of the throughput benchmark. Prints a line of JSON for each load and length:
medians over the lists after a warm-up, in microseconds.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import msgspec

from benchmarks.payments import payments
from benchmarks.throughput import RULES
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import read_log
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.records import Record, Records, records_of

COUNT, ACCOUNTS, WARM_UP = 200_000, 25_000, 60_000

_encode = msgspec.json.Encoder().encode


def main() -> int:
    """Run the benchmark of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine_alone", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rules", nargs="+", choices=tuple(RULES), default=list(RULES), help="default: all")
    parser.add_argument("--lengths", nargs="+", type=int, default=[20, 3400], metavar="N", help="default: 20 3400")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="for each length (default: 5)")
    args = parser.parse_args()
    for load in args.rules:
        records = records_of(
            [
                Record(offset, int(payment.occurred_at), payment.account_id.encode(), _encode(payment), ())  # type: ignore[arg-type]
                for offset, payment in enumerate(payments(load, COUNT, ACCOUNTS))
            ]
        )
        engine = Engine(load_rule_set(RULES[load]))
        for length in args.lengths:
            spent = measure(engine, records, length, args.seconds)
            line = {"rules": load, "length": length, "us_a_list": spent, "us_a_payment": spent / length}
            print(
                json.dumps({key: round(value, 3) if isinstance(value, float) else value for key, value in line.items()})
            )
    return 0


def measure(engine: Engine, records: Records, length: int, seconds: float) -> float:
    """Median CPU microseconds of a list of `length` records."""
    state, engines = engine.new_state(), {engine.rule_set.digest: engine}
    _apply_all(engines, state, records[:WARM_UP], 3000, seconds=None)
    return median(_apply_all(engines, state, records[WARM_UP:], length, seconds)) * 1e6


def _apply_all(
    engines: dict[str, Engine], state: PartitionState, records: Records, length: int, seconds: float | None
) -> list[float]:
    """CPU seconds of each whole list, for at most `seconds`."""
    spent: list[float] = []
    started = time.monotonic()
    for begin in range(0, len(records) - length + 1, length):
        chosen = records[begin : begin + length]
        before = time.thread_time()
        read_log(engines, state, chosen)
        spent.append(time.thread_time() - before)
        if seconds is not None and time.monotonic() - started > seconds:
            break
    return spent


if __name__ == "__main__":
    raise SystemExit(main())
