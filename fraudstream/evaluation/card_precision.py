"""Card Precision@k: of the k accounts with the highest scores of a day, the share that had a fraud that day.

Accounts that were found on an earlier day leave, as their cards are blocked. Source: Le Borgne, Siblini, Lebichot,
Bontempi, Reproducible Machine Learning for Credit Card Fraud Detection, ULB 2022, chapter 4.5. The book leaves open
how ties are broken; here in an order of accounts that is drawn with a fixed seed, so it knows nothing of labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

TIE_SEED = 20_180_401


class DayPrecision(NamedTuple):
    """One day. `day`: since the epoch, UTC. `compromised`: accounts with a fraud that day that were not found before.
    `found`: those among the first k; `precision`: `found` divided by k."""

    day: int
    accounts: int
    compromised: int
    found: int
    precision: float


def card_precision(
    score: Float64Array, account: Int64Array, fraud: npt.NDArray[np.bool_], day: Int64Array, k: int
) -> list[DayPrecision]:
    """Each day with payments, in order. `score`: float64; `account`: numbers from 0; `day`: any; all of shape (n,).

    Raises `ValueError` if `k` < 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; it must be 1 or more")
    accounts = int(account.max(initial=-1)) + 1
    tie_break = np.random.default_rng(TIE_SEED).permutation(accounts)
    found = np.zeros(accounts, np.bool_)
    results = []
    for each in np.unique(day).tolist():
        rows = np.flatnonzero((day == each) & ~found[account])
        ids, index = np.unique(account[rows], return_inverse=True)
        highest = np.full(len(ids), -np.inf)
        np.maximum.at(highest, index, score[rows])
        compromised = np.zeros(len(ids), np.bool_)
        compromised[index[fraud[rows]]] = True
        first = np.lexsort((tie_break[ids], -highest))[:k]
        caught = ids[first[compromised[first]]]
        found[caught] = True
        results.append(DayPrecision(each, len(ids), int(compromised.sum()), len(caught), len(caught) / k))
    return results
