"""A stream of payments in order of event time, without end: the same plan always gives the same one.

    plan = GeneratorPlan(start_ms=now_ms, accounts=50_000, rate=100, history_ms=2 * 86_400_000)
    for batch in stream(plan):
        if batch.live: ...      # its payments lie at start_ms or after, 100 to each second of event time
        else: ...               # the past: publish as fast as you can

Whoever wants `occurred_at` to be now begins at the present moment and publishes each payment when its time has come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fraudstream.contracts import Payment
from fraudstream.generator.frauds import FRAUDS, commit_fraud
from fraudstream.generator.habits import NOTHING, Ordinary, ordinary_payments
from fraudstream.generator.oddities import behave_oddly
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.population import Int64Array, Population
from fraudstream.generator.row import DAY_MS, HOUR_MS, Pen, Row

BLOCK_PAYMENTS = 4096
ODDITY_SHARE = 0.004


class GeneratedBatch(NamedTuple):
    """`labels`: int8, 1 fraud, 0 genuine. `typologies`: of each payment that is fraud. `live`: at `start_ms` or
    after."""

    payments: list[Payment]
    occurred_at_ms: Int64Array
    labels: npt.NDArray[np.int8]
    typologies: list[str | None]
    live: bool


def stream(plan: GeneratorPlan, payments_max: int | None = None) -> Iterator[GeneratedBatch]:
    """Batches of a few thousand payments; times never go backwards, within a batch or from one to the next."""
    left = payments_max
    for batch in _Stream(plan).batches():
        if left is not None:
            if len(batch.payments) > left:
                parts = (
                    batch.payments[:left],
                    batch.occurred_at_ms[:left],
                    batch.labels[:left],
                    batch.typologies[:left],
                )
                batch = GeneratedBatch(*parts, batch.live)
            left -= len(batch.payments)
        if batch.payments:
            yield batch
        if left == 0:
            return


class _Stream:
    def __init__(self, plan: GeneratorPlan) -> None:
        self._plan = plan
        self._rng = np.random.Generator(np.random.PCG64(plan.seed))
        self._population = Population(plan.accounts, self._rng)
        self._numbers = count()
        self._coming: list[Row] = []  # rows of episodes that lie after the block
        self._fraud_owed = self._odd_owed = 0.0
        self._typologies: list[str] = []

    def batches(self) -> Iterator[GeneratedBatch]:
        plan = self._plan
        at_ms = plan.start_ms - plan.history_ms
        yield self._batch(NOTHING, self._long_ago(at_ms), live=False)
        while True:
            live = at_ms >= plan.start_ms
            level = self._population.hour_level[at_ms // HOUR_MS % 24] if plan.rate is None or not live else 1.0
            rate = level * (plan.rate if plan.rate is not None and live else plan.natural_rate)
            until_ms = at_ms + max(1, min(int(BLOCK_PAYMENTS / max(rate, 1e-9) * 1000), HOUR_MS))
            until_ms = min(until_ms, (at_ms // HOUR_MS + 1) * HOUR_MS)
            if not live:
                until_ms = min(until_ms, plan.start_ms)
            yield self._block(at_ms, until_ms, rate, live)
            at_ms = until_ms

    def _block(self, from_ms: int, until_ms: int, rate: float, live: bool) -> GeneratedBatch:
        rng = self._rng
        n = int(rng.poisson(rate * (1 - self._plan.fraud_share - ODDITY_SHARE) * (until_ms - from_ms) / 1000))
        ordinary = ordinary_payments(self._population, from_ms, until_ms, n, from_ms // HOUR_MS % 24, rng)
        self._begin_episodes(from_ms, until_ms, len(ordinary.at_ms))
        rows = [row for row in self._coming if row.at_ms < until_ms]
        self._coming = [row for row in self._coming if row.at_ms >= until_ms]
        return self._batch(ordinary, rows, live)

    def _begin_episodes(self, from_ms: int, until_ms: int, n: int) -> None:
        """Frauds and oddities that begin in the block, so many that in the long run they keep their share."""
        rng, share = self._rng, self._plan.fraud_share
        self._fraud_owed += n * share / (1 - share)
        while self._fraud_owed > 0:
            if not self._typologies:
                self._typologies = [str(name) for name in rng.permutation(list(FRAUDS))]
            rows = commit_fraud(self._population, self._typologies.pop(), int(rng.integers(from_ms, until_ms)), rng)
            self._fraud_owed -= sum(row.typology is not None for row in rows)
            self._coming += rows
        self._odd_owed += n * ODDITY_SHARE
        while self._odd_owed > 0:
            rows = behave_oddly(self._population, int(rng.integers(from_ms, until_ms)), rng)
            self._odd_owed -= max(1, len(rows))
            self._coming += rows

    def _long_ago(self, at_ms: int) -> list[Row]:
        """What makes accounts old: for each that sleeps its last two payments, months before the stream begins. Where a
        past is asked for, also one payment of nearly every other account."""
        population = self._population
        rows: list[Row] = []
        for account in population.asleep:
            rows += self._bills(account, at_ms, ((75, 89), (62, 75)))
        if self._plan.history_ms:
            for account in np.flatnonzero(~population.sleeping).tolist():
                if self._rng.random() < 0.97:  # the others have opened their account just now
                    rows += self._bills(account, at_ms, ((31, 60),))
        return rows

    def _bills(self, account: int, at_ms: int, days_ago: Sequence[tuple[int, int]]) -> list[Row]:
        pen = Pen(self._population, account, None, self._rng)
        for most, least in days_ago:
            fields = {"kind": "bill_payment", "channel": "web", "counterparty_id": f"cp-{account % 1000:08d}"}
            pen.write(at_ms - pen.between(most, least) * DAY_MS, pen.between(20, 120), **fields, **pen.own())
        return pen.rows

    def _batch(self, ordinary: Ordinary, rows: list[Row], live: bool) -> GeneratedBatch:
        """Ordinary payments and rows in order of time, numbered as they come."""
        n = len(ordinary.at_ms)
        times = np.concatenate([ordinary.at_ms, np.array([row.at_ms for row in rows], np.int64)])
        order = np.argsort(times, kind="stable")
        account = np.concatenate([ordinary.account, np.array([row.account for row in rows], np.int64)])
        signed = np.concatenate([ordinary.signed_minor, np.array([row.signed_minor for row in rows], np.int64)])
        before, after = np.empty_like(account), np.empty_like(account)
        before[order], after[order] = self._population.store(account[order], signed[order])
        event_ids = [""] * len(times)
        for position, number in zip(order.tolist(), self._numbers, strict=False):
            event_ids[position] = f"pay-{self._plan.run or self._plan.seed}-{number:010d}"
        payments = ordinary.payments(event_ids[:n], before[:n], after[:n])
        of_rows = zip(rows, event_ids[n:], before[n:].tolist(), after[n:].tolist(), strict=True)
        payments += [row.payment(event_id, was, now) for row, event_id, was, now in of_rows]
        typologies = [None] * n + [row.typology for row in rows]
        places = order.tolist()
        in_order = [typologies[place] for place in places]
        labels = np.array([typology is not None for typology in in_order], np.int8)
        return GeneratedBatch([payments[place] for place in places], times[order], labels, in_order, live)
