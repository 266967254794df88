"""Size of the state and time per payment with many accounts, in the engine alone, on the catalogue of accounts alone.

    python -m benchmarks.state ACCOUNTS [PAYMENTS]

Every account pays once, in random order; the other payments are distributed over accounts by Zipf's law, so that most
accounts pay rarely and a few very often. The time is measured over the second half, when all accounts exist. Prints one
line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.payments import START_MS
from benchmarks.throughput import RULES
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.contracts import Payment
from fraudstream.engine.engine import Engine

BATCH = 2000
ZIPF_EXPONENT = 1.1
DAYS = 60


def measure(accounts: int, count: int) -> dict[str, float]:
    """Process `count` payments of `accounts` accounts; sizes in bytes, time in microseconds per payment."""
    engine = Engine(load_rule_set(RULES["account"]))
    state = engine.new_state()
    spent: list[float] = []
    for batch in batches(accounts, count):
        started = time.perf_counter()
        engine.judge(batch, state)
        spent.append(time.perf_counter() - started)
    second_half = np.array(spent[len(spent) // 2 :])
    arena = state.entities[0].arena
    return {
        "accounts": state.rows,
        "payments": count,
        "us_a_payment": float(np.median(second_half)) / BATCH * 1e6,
        "row_bytes_max": arena.row_bytes_max,
        "arena_bytes": state.memory_bytes,
        "resident_bytes_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


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


if __name__ == "__main__":
    ACCOUNTS = int(sys.argv[1])
    print(json.dumps(measure(ACCOUNTS, int(sys.argv[2]) if len(sys.argv) > 2 else 2 * ACCOUNTS)))
