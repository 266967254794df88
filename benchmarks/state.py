"""Size of the state and time per payment with many accounts, in the engine alone.

    python -m benchmarks.state ACCOUNTS [PAYMENTS] [--rules shipped]

Every account pays once, in random order; the other payments are distributed over accounts by Zipf's law, so that most
accounts pay rarely and a few very often. The time is measured over the second half, when all accounts exist. Each has a
device of its own, and merchants are 5,000. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.payments import START_MS
from benchmarks.throughput import RULES
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.contracts import Payment
from fraudstream.engine.arena import OVERFLOWS_USED
from fraudstream.engine.engine import Engine
from fraudstream.engine.entity_state import EntityState
from fraudstream.engine.label_index import LabelIndex

BATCH = 2000
ZIPF_EXPONENT = 1.1
DAYS = 60


def measure(load: str, accounts: int, count: int) -> dict[str, object]:
    """Process `count` payments of `accounts` accounts under the rules of a load; sizes in bytes, time in microseconds
    per payment."""
    engine = Engine(load_rule_set(RULES[load]))
    state = engine.new_state()
    spent: list[float] = []
    for batch in batches(accounts, count):
        started = time.thread_time()
        engine.judge(batch, state)
        spent.append(time.thread_time() - started)
    second_half = np.array(spent[len(spent) // 2 :])
    return {
        "rules": load,
        "accounts": accounts,
        "payments": count,
        "us_a_payment": round(float(np.median(second_half)) / BATCH * 1e6, 2),
        "entities": {entity.plan.entity.name: _size(entity) for entity in state.entities},
        "label_index": None if state.labels is None else _size_of_index(state.labels),
        "state_bytes": state.memory_bytes,
        "resident_bytes_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _size(entity: EntityState) -> dict[str, int]:
    """Rows of an entity, and bytes of each on the mean and at most, without keys."""
    rows, arena = entity.index.rows, entity.arena
    return {
        "rows": rows,
        "row_bytes": arena.memory_bytes // rows if rows else 0,
        "row_bytes_max": arena.row_bytes_max,
        "overflows": int(arena.tops.used[OVERFLOWS_USED]),
        "overflow_bytes": arena.overflow_bytes,
    }


def _size_of_index(index: LabelIndex) -> dict[str, int]:
    """Entries of the label index, and bytes of each, buckets included."""
    return {"entries": index.entries, "bytes_an_entry": index.memory_bytes // index.entries if index.entries else 0}


def batches(accounts: int, count: int) -> Iterator[list[Payment]]:
    """`count` payments in batches; at least two per account on average are required."""
    rng = np.random.default_rng(1)
    drawn = np.concatenate([rng.permutation(accounts), rng.zipf(ZIPF_EXPONENT, count - accounts) % accounts])
    # The first payment of every account is in the first half, mixed with repeated ones.
    half = count // 2
    assert accounts <= half, f"{accounts} accounts need {2 * accounts} payments or more"
    first = rng.permutation(np.concatenate([drawn[:accounts], drawn[accounts:half]]))
    order = np.concatenate([first, rng.permutation(drawn[half:])])
    step = DAYS * 86_400_000 / count
    for begin in range(0, count, BATCH):
        cents = np.maximum(100, np.rint(100 * rng.lognormal(3.5, 0.8, BATCH))).astype(np.int64).tolist()
        yield [
            Payment(
                event_id=f"evt-{begin + i:012d}",
                occurred_at=START_MS + int((begin + i) * step),
                account_id=f"acct-{account:08d}",
                amount=f"{cents[i] // 100}.{cents[i] % 100:02d}",
                currency="EUR",
                direction="debit",
                kind="purchase",
                channel="app",
                merchant_id=f"m-{account % 5000:05d}",
                device_id=f"dev-{account:010d}",
                country="DE",
                card_present=False,
            )
            for i, account in enumerate(order[begin : begin + BATCH].tolist())
        ]


def main() -> int:
    """Run the benchmark of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("accounts", type=int, metavar="ACCOUNTS")
    parser.add_argument("payments", type=int, metavar="PAYMENTS", nargs="?", help="default: two for each account")
    parser.add_argument("--rules", choices=tuple(RULES), default="account", help="default: account")
    args = parser.parse_args()
    print(json.dumps(measure(args.rules, args.accounts, args.payments or 2 * args.accounts)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
