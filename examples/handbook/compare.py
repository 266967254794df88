"""Compares the features of a replay with those the Handbook published, payment by payment.

    python examples/handbook/compare.py FEATURES_OUT BOOK_FEATURES

Counts and flags must be equal; means and shares to 1e-9, or as near as the book's 32-bit floats can say. Every
payment that differs is listed. Exit code 0 if there are none, or only such as the book itself ordered the other way:
two payments of one customer within the same second. Money features of a replay are minor units.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Float64Array = npt.NDArray[np.float64]


class Pair(NamedTuple):
    ours: str
    store: str
    minor_units: bool = False


PAIRS = [
    Pair("weekend", "TX_DURING_WEEKEND"),
    Pair("night", "TX_DURING_NIGHT"),
    *(Pair(f"account.payments_{d}d", f"CUSTOMER_ID_NB_TX_{d}DAY_WINDOW") for d in (1, 7, 30)),
    *(Pair(f"account.amount_mean_{d}d", f"CUSTOMER_ID_AVG_AMOUNT_{d}DAY_WINDOW", True) for d in (1, 7, 30)),
    *(Pair(f"terminal.payments_{d}d", f"TERMINAL_ID_NB_TX_{d}DAY_WINDOW") for d in (1, 7, 30)),
    *(Pair(f"terminal.fraud_share_{d}d", f"TERMINAL_ID_RISK_{d}DAY_WINDOW") for d in (1, 7, 30)),
]


def column(table: pa.Table, name: str) -> Float64Array:
    values: Float64Array = table.column(name).cast(pa.float64()).to_numpy()
    return values


def equal(ours: Float64Array, store: Float64Array, is_float32: bool) -> npt.NDArray[np.bool_]:
    """A float32 of the book says a number only to half the distance to its neighbour."""
    tolerance = np.full(len(store), 1e-9)
    if is_float32:
        tolerance += np.spacing(np.abs(store).astype(np.float32)).astype(np.float64) / 2
    same: npt.NDArray[np.bool_] = np.abs(ours - store) <= tolerance
    return same


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare a replay's features with the Handbook's.")
    parser.add_argument("features_out", help="what `fraudstream replay --features-out` wrote")
    parser.add_argument("book_features", help="the Handbook's features, Parquet by TRANSACTION_ID")
    args = parser.parse_args()

    store = pq.read_table(args.book_features)
    ours = pq.read_table(args.features_out)
    ids = ours.column("event_id").cast(pa.int64()).to_numpy()
    order = np.argsort(ids)
    wanted = column(store, "TRANSACTION_ID").astype(np.int64)
    places = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
    absent = ids[places] != wanted
    if absent.any():
        print(f"{int(absent.sum())} payments of the book are not in {args.features_out}, first {wanted[absent][0]}.")
        return 1

    differs = np.zeros(len(wanted), np.bool_)
    print(f"{len(wanted):,} payments, {len(PAIRS)} features")
    for pair in PAIRS:
        mine = column(ours, pair.ours)[places] / (100 if pair.minor_units else 1)
        theirs = column(store, pair.store)
        same = equal(mine, theirs, pa.types.is_float32(store.schema.field(pair.store).type))
        differs |= ~same
        worst = np.abs(mine - theirs)[same].max(initial=0)
        print(f"  {pair.ours:<26} {int((~same).sum()):>5} differ, the rest by at most {worst:.1e}")

    # The book sorted by second only: of two payments of a customer in one second, either may have come first.
    accounts = ours.column("account_id").to_numpy()
    seconds = ours.column("occurred_at").cast(pa.int64()).to_numpy() // 1000
    keys, counts = np.unique(np.char.add(accounts.astype(str), np.char.mod("@%d", seconds)), return_counts=True)
    twins = set(keys[counts > 1].tolist())
    excused = np.array([f"{accounts[i]}@{seconds[i]}" in twins for i in places[differs]], np.bool_)
    print(f"{int(differs.sum())} payments differ, {int(excused.sum())} in one second with another of their customer.")
    if differs.any():
        print("  " + ", ".join(map(str, wanted[differs][:40].tolist())))
    return 0 if excused.all() else 1


if __name__ == "__main__":
    sys.exit(main())
