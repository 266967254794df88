"""An endless stream of generated payments in order of event time. The same plan always gives the same stream.

    plan = GeneratorPlan(start_ms=now_ms, accounts=50_000, rate=100, history_ms=2 * 86_400_000)
    for batch in stream(plan):
        if batch.live: ...      # event times from start_ms on, 100 payments per second of event time
        else: ...               # history: publish as fast as possible

For payments that occur now, set `start_ms` to the current time and publish each payment at its event time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any

import numpy as np

from fraudstream.contracts import Payment
from fraudstream.generator.batch import GeneratedBatch
from fraudstream.generator.benign_anomalies import benign_anomaly_rows, journey_rows
from fraudstream.generator.block_columns import amount_texts, block_columns
from fraudstream.generator.episode import EpisodeWriter, Row
from fraudstream.generator.fraud_mix import FraudMix
from fraudstream.generator.frauds import Frauds
from fraudstream.generator.habits import Block, Habits
from fraudstream.generator.label_process import LabelProcess, Reports, constant_delay
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.population import Population, payee_id
from fraudstream.generator.schemes import COMPROMISED_TERMINAL, UNDELIVERED_GOODS, BustOuts, CompromisedTerminals
from fraudstream.generator.week import DAY_MS, HOUR_MS

__all__ = ["GeneratedBatch", "stream"]

BLOCK_PAYMENTS = 4096
_ROW_FIELDS = [
    field
    for field in Payment.__struct_fields__
    if field not in ("event_id", "occurred_at", "schema_version", "balance_before", "balance_after", "relates_to")
]


def stream(
    plan: GeneratorPlan, payments_max: int | None = None, label_delay_ms: int | None = None
) -> Iterator[GeneratedBatch]:
    """Batches of a few thousand payments, at most `payments_max` in total; event times never decrease.

    `label_delay_ms`: every payment is truly labelled after that time; None: labels as the plan's parameters say.
    """
    left = payments_max
    for batch in _Stream(plan, label_delay_ms).batches():
        if left is not None:
            if len(batch) > left:
                batch = batch.first(left)
            left -= len(batch)
        if len(batch):
            yield batch
        if left == 0:
            return


class _Stream:
    def __init__(self, plan: GeneratorPlan, label_delay_ms: int | None) -> None:
        self._plan, self._label_delay_ms = plan, label_delay_ms
        parameters, rng = plan.parameters, np.random.Generator(np.random.PCG64(plan.seed))
        self._rng = rng
        self._population = Population(plan.accounts, parameters, rng)
        self._habits = Habits(self._population)
        self._labels = LabelProcess(parameters, plan.seed)
        weights = {name: parameters.typologies.named(name).weight for name in parameters.typologies.__struct_fields__}
        total = sum(weights.values()) or 1.0
        lasting = {name: weights[name] / total for name in (COMPROMISED_TERMINAL, UNDELIVERED_GOODS)}
        # Ordinary payments are all but the single frauds and the benign anomalies.
        self._anomaly_share = parameters.customers.benign_anomaly_share
        self._ordinary_share = max(0.01, 1 - plan.fraud_share * (1 - sum(lasting.values())) - self._anomaly_share)
        wanted = {name: plan.fraud_share * share / self._ordinary_share for name, share in lasting.items()}
        self._terminals = CompromisedTerminals(self._population, wanted[COMPROMISED_TERMINAL], rng)
        self._bust_outs = BustOuts(self._population, wanted[UNDELIVERED_GOODS], rng)
        self._frauds = Frauds(self._population, rng)
        self._mix = FraudMix(parameters.typologies, rng)
        self._numbers = count()
        self._pending_rows: list[Row] = []  # rows of started episodes whose time has not come
        self._fraud_due = self._anomalies_due = 0.0

    def batches(self) -> Iterator[GeneratedBatch]:
        plan = self._plan
        at_ms = plan.start_ms - plan.history_ms
        yield self._batch(None, self._past_payments(at_ms), live=False)
        while True:
            live = at_ms >= plan.start_ms
            if plan.rate is not None and live:
                rate = plan.rate
            else:
                rate = plan.natural_rate * self._population.hours.level(at_ms)
            until_ms = at_ms + max(1, min(int(BLOCK_PAYMENTS / max(rate, 1e-9) * 1000), HOUR_MS))
            until_ms = min(until_ms, (at_ms // HOUR_MS + 1) * HOUR_MS)
            if not live:
                until_ms = min(until_ms, plan.start_ms)
            yield self._block(at_ms, until_ms, rate, live)
            at_ms = until_ms

    def _block(self, from_ms: int, until_ms: int, rate: float, live: bool) -> GeneratedBatch:
        n = int(self._rng.poisson(rate * self._ordinary_share * (until_ms - from_ms) / 1000))
        ordinary = self._habits.block(from_ms, until_ms, n, self._rng)
        self._terminals.apply(ordinary, from_ms)
        self._bust_outs.apply(ordinary, from_ms)
        self._start_episodes(from_ms, until_ms, ordinary)
        rows = [row for row in self._pending_rows if row.at_ms < until_ms]
        self._pending_rows = [row for row in self._pending_rows if row.at_ms >= until_ms]
        return self._batch(ordinary, rows, live)

    def _start_episodes(self, from_ms: int, until_ms: int, ordinary: Block) -> None:
        """Start frauds and benign anomalies in the block, as many as keep their long-run share of the payments."""
        rng, share = self._rng, self._plan.fraud_share
        frauds = int(np.count_nonzero(ordinary.typology != None))  # noqa: E711
        self._fraud_due += (len(ordinary) - frauds) * share / (1 - share) - frauds
        while self._fraud_due > 0 and (typology := self._mix.next()) is not None:
            rows = self._frauds.commit(typology, int(rng.integers(from_ms, until_ms)), self._bust_outs.accounts)
            written = sum(row.typology is not None for row in rows)
            self._mix.written(typology, written)
            self._fraud_due -= written
            self._pending_rows += rows
        self._start_genuine_episodes(from_ms, until_ms, len(ordinary))

    def _start_genuine_episodes(self, from_ms: int, until_ms: int, ordinary: int) -> None:
        rng, customers = self._rng, self._plan.parameters.customers
        journeys = ordinary * customers.journeys_a_year / (365.25 * customers.payments_a_day)
        for _ in range(int(rng.poisson(journeys))):
            self._pending_rows += journey_rows(self._population, int(rng.integers(from_ms, until_ms)), rng)
        self._anomalies_due += ordinary * self._anomaly_share
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
        payee = payee_id(int(self._population.company(np.array([account]), 1)[0]))
        for most, least in days_ago:
            fields = {"kind": "bill_payment", "channel": "web", "counterparty_id": payee}
            due_ms = at_ms - episode.between(most, least) * DAY_MS
            episode.write(due_ms, episode.between(20, 120), **fields, **episode.own())
        return episode.rows

    def _batch(self, ordinary: Block | None, rows: list[Row], live: bool) -> GeneratedBatch:
        """Merge ordinary payments and episode rows in order of event time and number them in that order."""
        population = self._population
        times = np.array([row.at_ms for row in rows], np.int64)
        account = np.array([row.account for row in rows], np.int64)
        signed = np.array([row.signed_minor for row in rows], np.int64)
        typology = _objects([row.typology for row in rows])
        columns: dict[str, Any] = {field: _objects([row.fields.get(field) for row in rows]) for field in _ROW_FIELDS}
        if ordinary is not None:
            times, account = np.concatenate([ordinary.at_ms, times]), np.concatenate([ordinary.account, account])
            signed = np.concatenate([ordinary.signed_minor, signed])
            typology = np.concatenate([ordinary.typology, typology])
            found = block_columns(population, ordinary)
            columns = {field: np.concatenate([found[field], column]) for field, column in columns.items()}
        order = np.argsort(times, kind="stable")
        columns = {field: column[order] for field, column in columns.items()}
        before, after = population.store(account[order], signed[order])
        columns["balance_before"] = amount_texts(before, columns["currency"])
        columns["balance_after"] = amount_texts(after, columns["currency"])
        run = self._plan.run or self._plan.seed
        columns["event_id"] = _objects([f"pay-{run}-{number:010d}" for number in islice(self._numbers, len(order))])
        times, typology = times[order], typology[order]
        return GeneratedBatch(columns, times, typology, self._reports(times, typology), live)

    def _reports(self, times: Any, typology: Any) -> Reports:
        if self._label_delay_ms is not None:
            return constant_delay(times, typology != None, self._label_delay_ms)  # noqa: E711
        return self._labels.reports(times, typology)


def _objects(values: list[Any]) -> Any:
    """An object array of the values, which may be dictionaries."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
