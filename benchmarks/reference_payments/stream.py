"""An endless stream of generated payments in order of event time. The same plan always gives the same stream.

    plan = GeneratorPlan(start_ms=now_ms, accounts=50_000, rate=100, history_ms=2 * 86_400_000)
    for batch in stream(plan):
        if batch.live: ...      # event times from start_ms on, 100 payments per second of event time
        else: ...               # history: publish as fast as possible

For payments that occur now, set `start_ms` to the current time and publish each payment at its event time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.reference_payments.benign_anomalies import benign_anomaly_rows
from benchmarks.reference_payments.episode import DAY_MS, HOUR_MS, EpisodeWriter, Row
from benchmarks.reference_payments.frauds import FRAUDS, commit_fraud
from benchmarks.reference_payments.habits import NO_PAYMENTS, OrdinaryPayments, ordinary_payments
from benchmarks.reference_payments.plan import GeneratorPlan
from benchmarks.reference_payments.population import Int64Array, Population
from fraudstream.contracts import Payment

BLOCK_PAYMENTS = 4096
BENIGN_ANOMALY_SHARE = 0.004


class GeneratedBatch(NamedTuple):
    """Payments in order of event time.

    `occurred_at_ms`: ms since the epoch, int64 (n,). `labels`: int8 (n,), 1 fraud, 0 genuine. `typologies`: fraud
    typology of each payment, None if genuine. `live`: whether the batch is at or after `start_ms` (else history).
    """

    payments: list[Payment]
    occurred_at_ms: Int64Array
    labels: npt.NDArray[np.int8]
    typologies: list[str | None]
    live: bool

    @property
    def labelled_at_ms(self) -> None:
        """When labels become known: not said."""


def stream(plan: GeneratorPlan, payments_max: int | None = None) -> Iterator[GeneratedBatch]:
    """Batches of a few thousand payments, at most `payments_max` in total; event times never decrease."""
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
        self._pending_rows: list[Row] = []  # rows of started episodes whose time has not come
        self._fraud_due = self._anomalies_due = 0.0
        self._typologies: list[str] = []

    def batches(self) -> Iterator[GeneratedBatch]:
        plan = self._plan
        at_ms = plan.start_ms - plan.history_ms
        yield self._batch(NO_PAYMENTS, self._past_payments(at_ms), live=False)
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
        n = int(rng.poisson(rate * (1 - self._plan.fraud_share - BENIGN_ANOMALY_SHARE) * (until_ms - from_ms) / 1000))
        ordinary = ordinary_payments(self._population, from_ms, until_ms, n, from_ms // HOUR_MS % 24, rng)
        self._start_episodes(from_ms, until_ms, len(ordinary.at_ms))
        rows = [row for row in self._pending_rows if row.at_ms < until_ms]
        self._pending_rows = [row for row in self._pending_rows if row.at_ms >= until_ms]
        return self._batch(ordinary, rows, live)

    def _start_episodes(self, from_ms: int, until_ms: int, n: int) -> None:
        """Start frauds and benign anomalies in the block, as many as keep their long-run share of the payments."""
        rng, share = self._rng, self._plan.fraud_share
        self._fraud_due += n * share / (1 - share)
        while self._fraud_due > 0:
            if not self._typologies:
                self._typologies = [str(name) for name in rng.permutation(list(FRAUDS))]
            rows = commit_fraud(self._population, self._typologies.pop(), int(rng.integers(from_ms, until_ms)), rng)
            self._fraud_due -= sum(row.typology is not None for row in rows)
            self._pending_rows += rows
        self._anomalies_due += n * BENIGN_ANOMALY_SHARE
        while self._anomalies_due > 0:
            rows = benign_anomaly_rows(self._population, int(rng.integers(from_ms, until_ms)), rng)
            self._anomalies_due -= max(1, len(rows))
            self._pending_rows += rows

    def _past_payments(self, at_ms: int) -> list[Row]:
        """Payments before the stream: the last two of each dormant account, months ago.

        With a history, also one payment of nearly every other account, so that accounts are not all new.
        """
        population = self._population
        rows: list[Row] = []
        for account in population.dormant:
            rows += self._bills(account, at_ms, ((75, 89), (62, 75)))
        if self._plan.history_ms:
            for account in np.flatnonzero(~population.is_dormant).tolist():
                if self._rng.random() < 0.97:  # the remaining accounts are new
                    rows += self._bills(account, at_ms, ((31, 60),))
        return rows

    def _bills(self, account: int, at_ms: int, days_ago: Sequence[tuple[int, int]]) -> list[Row]:
        episode = EpisodeWriter(self._population, account, None, self._rng)
        for most, least in days_ago:
            fields = {"kind": "bill_payment", "channel": "web", "counterparty_id": f"cp-{account % 1000:08d}"}
            episode.write(
                at_ms - episode.between(most, least) * DAY_MS, episode.between(20, 120), **fields, **episode.own()
            )
        return episode.rows

    def _batch(self, ordinary: OrdinaryPayments, rows: list[Row], live: bool) -> GeneratedBatch:
        """Merge ordinary payments and episode rows in order of event time and number them in that order."""
        n = len(ordinary.at_ms)
        times = np.concatenate([ordinary.at_ms, np.array([row.at_ms for row in rows], np.int64)])
        order = np.argsort(times, kind="stable")
        account = np.concatenate([ordinary.account, np.array([row.account for row in rows], np.int64)])
        signed = np.concatenate([ordinary.signed_minor, np.array([row.signed_minor for row in rows], np.int64)])
        before, after = np.empty_like(account), np.empty_like(account)
        before[order], after[order] = self._population.store(account[order], signed[order])
        event_ids = [""] * len(times)
        for index, number in zip(order.tolist(), self._numbers, strict=False):
            event_ids[index] = f"pay-{self._plan.run or self._plan.seed}-{number:010d}"
        payments = ordinary.payments(event_ids[:n], before[:n], after[:n])
        of_rows = zip(rows, event_ids[n:], before[n:].tolist(), after[n:].tolist(), strict=True)
        payments += [row.payment(event_id, was, now) for row, event_id, was, now in of_rows]
        typologies = [None] * n + [row.typology for row in rows]
        indices = order.tolist()
        in_order = [typologies[index] for index in indices]
        labels = np.array([typology is not None for typology in in_order], np.int8)
        return GeneratedBatch([payments[index] for index in indices], times[order], labels, in_order, live)
