"""The scanner against its slow twin on very many drawn payments: every column of every record, to the bit.

    python -m benchmarks.scan_twin [--records 5000000] [--seed 1]

Half of the records are drawn as most publishers write them, half odd on purpose; each is compared as drawn, and twice
with bytes changed. Prints one line of JSON: how many records there were, how many of them are valid payments, and how
many of these took the fast way. Ends with an `AssertionError` that shows the record where the two differ.
"""

from __future__ import annotations

import argparse
import json
import random
import sys

from fraudstream.engine.records import Record
from tests.property.payment_texts import changed_bytes, odd_payment, plain_payment
from tests.property.scan_twin import Compared, compare, drawn_records, new_scanner

LIST = 1_000  # records scanned at once
CHANGES = 2  # times that each is compared with other bytes changed


def main(arguments: list[str]) -> None:
    """Compare, and print the numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan_twin", description="The scanner against its twin.")
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args(arguments)
    scanner, rng, found = new_scanner(), random.Random(flags.seed), {}
    for make in (plain_payment, odd_payment):
        total = Compared(0, 0, 0)
        while total.records < flags.records / 2:
            drawn = drawn_records(rng, make, LIST)
            for records in (drawn, *([_changed(rng, record) for record in drawn] for _ in range(CHANGES))):
                compared = compare(scanner, records)
                total = Compared(*(a + b for a, b in zip(total, compared, strict=True)))
        found[make.__name__] = total._asdict() | {"plain_of_valid": round(total.plain / total.valid, 3)}
    print(json.dumps({"seed": flags.seed} | found))


def _changed(rng: random.Random, record: Record) -> Record:
    return record._replace(value=changed_bytes(rng, record.value or b""))


if __name__ == "__main__":
    main(sys.argv[1:])
