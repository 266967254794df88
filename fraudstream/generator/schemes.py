"""Frauds that last: copied cards at a terminal, and merchants that never deliver.

They turn ordinary payments into frauds. A scheme starts when those at work yield less than the wanted share of the
payments. Those that are at work when the stream begins have only a part of their time left, as if it had always run.
"""

from __future__ import annotations

import numpy as np

from fraudstream.generator.habits import PURCHASE, WITHDRAWAL, Block
from fraudstream.generator.merchants import ONLINE
from fraudstream.generator.population import Population
from fraudstream.generator.stable_choice import BoolArray, Float64Array, Int64Array
from fraudstream.generator.week import DAY_MS

COMPROMISED_TERMINAL, UNDELIVERED_GOODS = "compromised_terminal", "undelivered_goods"
AT_WORK_SHARE_MAX = 0.2  # of all terminals or merchants
_ONE_SHARE_MAX = 0.25  # of the wanted frauds that one scheme may yield


class _AtWork:
    """Numbers of terminals or merchants at work, and until when."""

    def __init__(self, days_min: float, days_max: float, rng: np.random.Generator) -> None:
        self._days, self._rng = (min(days_min, days_max), max(days_min, days_max)), rng
        self.numbers: Int64Array = np.zeros(0, np.int64)
        self._until_ms: Int64Array = np.zeros(0, np.int64)
        self._begun = False

    def end(self, at_ms: int) -> None:
        """Forget those whose time is over."""
        kept = self._until_ms > at_ms
        self.numbers, self._until_ms = self.numbers[kept], self._until_ms[kept]

    def begin(self, number: int, at_ms: int) -> None:
        """Begin one at `at_ms`."""
        days = self._rng.uniform(*self._days) * (1.0 if self._begun else self._rng.random())
        self.numbers = np.append(self.numbers, number)
        self._until_ms = np.append(self._until_ms, at_ms + int(days * DAY_MS))

    def settle(self) -> None:
        """From now on each that begins has all its time before it."""
        self._begun = True


class CompromisedTerminals:
    """Terminals and cash machines whose cards are copied. `wanted_share`: frauds in the ordinary payments."""

    def __init__(self, population: Population, wanted_share: float, rng: np.random.Generator) -> None:
        parameters = population.parameters.compromised_terminals
        self._wanted, self._fraud_share, self._rng = wanted_share, parameters.fraud_share, rng
        self._at_work = _AtWork(parameters.days_min, parameters.days_max, rng)
        self._traffic = _terminal_traffic(population)
        if not wanted_share:
            return
        usable = self._traffic * self._fraud_share <= wanted_share * _ONE_SHARE_MAX
        if not usable.any():
            usable = self._traffic <= np.quantile(self._traffic, 0.2)
        odds = np.where(usable, self._traffic, 0.0) ** 0.5
        self._odds: Float64Array = odds / max(odds.sum(), 1e-300)

    def apply(self, block: Block, from_ms: int) -> None:
        """Turn some of the block's payments at these terminals into frauds."""
        if not self._wanted:
            return
        self._recruit(from_ms)
        copied = np.zeros(len(self._traffic) + 1, np.bool_)  # the last: of payments without a terminal
        copied[self._at_work.numbers] = True
        by_card = ((block.act == PURCHASE) | (block.act == WITHDRAWAL)) & ~block.takings
        hit = by_card & copied[block.terminal] & (self._rng.random(len(block)) < self._fraud_share)
        block.typology[hit] = COMPROMISED_TERMINAL

    def _recruit(self, at_ms: int) -> None:
        self._at_work.end(at_ms)
        numbers = self._at_work.numbers
        while self._traffic[numbers].sum() * self._fraud_share < self._wanted and len(
            numbers
        ) < 1 + AT_WORK_SHARE_MAX * len(self._traffic):
            free = self._odds.copy()
            free[numbers] = 0.0
            if not free.sum():
                break
            self._at_work.begin(int(self._rng.choice(len(free), p=free / free.sum())), at_ms)
            numbers = self._at_work.numbers
        self._at_work.settle()


class BustOuts:
    """Merchants that take money for goods they never deliver; `merchants`: those at work."""

    def __init__(self, population: Population, wanted_share: float, rng: np.random.Generator) -> None:
        parameters = population.parameters.bust_outs
        self._population, self._wanted, self._rng = population, wanted_share, rng
        self._factor_max = parameters.amount_factor_max
        self._at_work = _AtWork(parameters.days_min, parameters.days_max, rng)
        payments_a_day = population.n * population.parameters.customers.payments_a_day
        self._count = max(1, round(wanted_share * payments_a_day / parameters.payments_a_day))
        self._count = min(self._count, len(population.businesses))

    @property
    def accounts(self) -> Int64Array:
        """Business accounts of the merchants at work."""
        return self._at_work.numbers

    def apply(self, block: Block, from_ms: int) -> None:
        """Turn some of the block's purchases into purchases at these merchants: frauds, and larger ones."""
        if not self._wanted:
            return
        self._at_work.end(from_ms)
        while len(self._at_work.numbers) < self._count:
            free = np.setdiff1d(self._population.businesses, self._at_work.numbers)
            self._at_work.begin(int(self._rng.choice(free)), from_ms)
        self._at_work.settle()
        buys = np.flatnonzero((block.act == PURCHASE) & ~block.takings & (block.typology == None))  # noqa: E711
        town = self._population.merchants.town[block.merchant[buys]]
        shops = self._population.own_shop[self._at_work.numbers]
        each = self._rng.multinomial(self._rng.poisson(self._wanted * len(block)), np.full(len(shops), 1 / len(shops)))
        for shop, count in zip(shops.tolist(), each.tolist(), strict=True):
            there = buys[(town == self._population.merchants.town[shop]) & (block.typology[buys] == None)]  # noqa: E711
            self._divert(block, self._rng.choice(there, min(count, len(there)), replace=False), shop)

    def _divert(self, block: Block, taken: Int64Array, shop: int) -> None:
        """Move purchases of the merchant's town, or online, to the merchant."""
        merchants, rng = self._population.merchants, self._rng
        block.merchant[taken] = shop
        terminal = merchants.terminal(np.full(len(taken), shop), rng.random(len(taken)))
        block.terminal[taken] = -1 if merchants.town[shop] == ONLINE else terminal
        larger = block.minor[taken] * rng.uniform(1, self._factor_max, len(taken))
        block.minor[taken] = np.maximum(1, np.rint(larger)).astype(np.int64)
        block.typology[taken] = UNDELIVERED_GOODS


def _terminal_traffic(population: Population) -> Float64Array:
    """Expected share of each terminal in the ordinary payments, float64 (terminals,)."""
    merchants, activities = population.merchants, population.parameters.activities
    total = sum(getattr(activities, name) for name in activities.__struct_fields__)
    town_share = np.bincount(population.home, minlength=ONLINE) / population.n
    in_town = activities.purchase / total * (1 - population.online_share.mean())
    owner = merchants.terminal_merchant
    is_shop: BoolArray = owner >= 0
    purchases = in_town * merchants.purchase_share(town_share)[owner] / np.maximum(merchants.terminals[owner], 1)
    machines = np.bincount(merchants.terminal_town[~is_shop], minlength=ONLINE)
    town = merchants.terminal_town
    withdrawals = activities.withdrawal / total * town_share[town] / np.maximum(machines[town], 1)
    traffic: Float64Array = np.where(is_shop, purchases, withdrawals)
    return traffic
