"""Ordinary payments of one block of event time, as numbers: who pays whom, where, and how much.

Purchases near home or online, bills, transfers, cash, salaries; abroad while an account travels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fraudstream.generator.merchants import ONLINE
from fraudstream.generator.parameters import Activities
from fraudstream.generator.places import TRADES
from fraudstream.generator.population import PEOPLE, Population
from fraudstream.generator.stable_choice import BoolArray, Float64Array, Int64Array, stable_uniform
from fraudstream.generator.week import DAY_MS, HOUR_MS, days_since_pay, hour_of_week, is_weekend

ACTIVITIES: Final = Activities.__struct_fields__
(
    PURCHASE,
    TRANSFER,
    BILL,
    WITHDRAWAL,
    DEPOSIT,
    REFUND,
    LOAN_REPAYMENT,
    LOAN_DRAWDOWN,
    INVESTMENT,
    REDEMPTION,
    FEE,
    PARTNER,
    RECEIVED,
) = range(len(ACTIVITIES))
_BUSINESS = np.isin(
    np.arange(len(ACTIVITIES)), (TRANSFER, BILL, LOAN_REPAYMENT, LOAN_DRAWDOWN, INVESTMENT, REDEMPTION, FEE)
)
_CREDIT = np.isin(np.arange(len(ACTIVITIES)), (DEPOSIT, REFUND, LOAN_DRAWDOWN, REDEMPTION, RECEIVED))
# Log-normal amounts, except at merchants: median in euro, and sigma.
_EURO = np.array([0.0, 120.0, 75.0, 80.0, 250.0, 0.0, 310.0, 2_500.0, 150.0, 900.0, 4.0, 18.0, 60.0])
_SPREAD = np.array([0.0, 1.0, 0.6, 0.5, 0.9, 0.0, 0.3, 0.9, 0.7, 0.9, 0.3, 0.8, 0.9])
_TRADE_MEDIAN = np.array([trade.median for trade in TRADES])
_TRADE_SPREAD = np.array([trade.spread for trade in TRADES])
_TAKINGS_EURO, _TAKINGS_SPREAD = 30.0, 0.8  # of one customer of a business
_HABITS_MAX = 6  # merchants of a category that a customer visits by habit
_DEVICE_ACTIVITIES = (TRANSFER, BILL, LOAN_REPAYMENT, LOAN_DRAWDOWN, INVESTMENT, REDEMPTION, FEE, RECEIVED, PARTNER)
NO_DEVICE, PHONE, LAPTOP, TABLET = range(4)
APP, WEB, POS, ATM, BRANCH, BY_PARTNER = range(6)


@dataclass
class Block:
    """Columns of ordinary payments, in any order; arrays of shape (n,).

    `at_ms`: event time, ms since the epoch. `act`: place in `ACTIVITIES`. `minor`: amount in minor units. `merchant`,
    `terminal`, `payee`: numbers, -1 if none. `device`: `PHONE` and so on. `channel`: `APP` and so on. `takings`: a
    card payment of a customer to this business. `typology`: of frauds, None if genuine.
    """

    at_ms: Int64Array
    account: Int64Array
    act: Int64Array
    minor: Int64Array
    credit: BoolArray
    merchant: Int64Array
    terminal: Int64Array
    payee: Int64Array
    device: Int64Array
    channel: Int64Array
    takings: BoolArray
    typology: Any

    def __len__(self) -> int:
        return len(self.at_ms)

    @property
    def signed_minor(self) -> Int64Array:
        """Effect on the accounts' balances in minor units."""
        return np.where(self.credit, self.minor, -self.minor)


class Habits:
    """Draws ordinary payments of a population."""

    def __init__(self, population: Population) -> None:
        self._population = population
        parameters = population.parameters
        weights = np.array([getattr(parameters.activities, name) for name in ACTIVITIES])
        free = np.where(_BUSINESS, weights * parameters.customers.weekend_business, weights)
        self._running = {weekend: np.cumsum(w) / w.sum() for weekend, w in ((False, weights), (True, free))}

    def block(self, from_ms: int, until_ms: int, n: int, rng: np.random.Generator) -> Block:
        """`n` payments with event times in [from_ms, until_ms), within one hour, and the salaries due in it."""
        population = self._population
        salaries = self._salaries(from_ms, until_ms)
        account = np.concatenate([population.hours.draw(n, from_ms, rng), salaries])
        count = len(account)
        at_ms = rng.integers(from_ms, until_ms, count)
        weekend = is_weekend(hour_of_week(from_ms))
        act = np.searchsorted(self._running[weekend], rng.random(count), side="right").astype(np.int64)
        act = np.minimum(act, len(ACTIVITIES) - 1)
        act[n:] = RECEIVED
        town, travelling = self._towns(account, at_ms)
        act[(act == WITHDRAWAL) & travelling] = BILL
        # Card purchases of a business are credits from its customers; it makes the other payments like any account.
        takings = population.business[account] & (act == PURCHASE)
        shopping = ((act == PURCHASE) | (act == REFUND)) & ~takings
        online = shopping & (travelling | (rng.random(count) < population.online_share[account]))
        merchant = self._merchants(account, shopping, online, town, from_ms, weekend, rng)
        merchant[takings] = population.own_shop[account[takings]]
        terminal = self._terminals(merchant, act == WITHDRAWAL, town, rng)
        minor = self._amounts(account, act, shopping, takings, merchant, rng)
        minor[n:] = np.rint(population.salary_euro[salaries] * population.minor_per_euro[salaries])
        payee = self._payees(account, act, rng)
        payee[n:] = population.employer(salaries)
        channel, device = self._devices(account, act, online, rng)
        channel[takings & (terminal < 0)] = WEB
        return Block(
            at_ms,
            account,
            act,
            np.maximum(minor.astype(np.int64), 1),
            _CREDIT[act] | takings,
            merchant,
            terminal,
            payee,
            device,
            channel,
            takings,
            np.full(count, None, object),
        )

    def _salaries(self, from_ms: int, until_ms: int) -> Int64Array:
        day = from_ms // DAY_MS
        since, midnight = days_since_pay(day), day * DAY_MS
        due = [
            self._population.paid(p, from_ms - midnight, until_ms - midnight)
            for p in np.flatnonzero(since == 0).tolist()
        ]
        return np.concatenate(due) if due else np.zeros(0, np.int64)

    def _towns(self, account: Int64Array, at_ms: Int64Array) -> tuple[Int64Array, BoolArray]:
        """The town that each account is in, and whether it is travelling between towns."""
        population = self._population
        there = (population.away_there[account] <= at_ms) & (at_ms < population.away_back[account])
        away = (population.away_from[account] <= at_ms) & (at_ms < population.away_home[account])
        return np.where(there, population.away_town[account], population.home[account]), away & ~there

    def _merchants(
        self,
        account: Int64Array,
        shopping: BoolArray,
        online: BoolArray,
        town: Int64Array,
        from_ms: int,
        weekend: bool,
        rng: np.random.Generator,
    ) -> Int64Array:
        """The merchant of each purchase, -1 of other payments: by habit or by popularity, of a category by the hour."""
        population = self._population
        merchants, result = population.merchants, np.full(len(account), -1, np.int64)
        local_hour = (from_ms // HOUR_MS + population.zone_h[account]) % 24
        for on_line in (False, True):
            chosen = np.flatnonzero(shopping & (online == on_line))
            who = account[chosen]
            trade = merchants.trades(local_hour[chosen], weekend, on_line, rng.random(len(chosen)))
            where = np.full(len(chosen), ONLINE) if on_line else town[chosen]
            habit = np.minimum(rng.geometric(0.45, len(chosen)), _HABITS_MAX)
            by_habit = stable_uniform(population.salt, who, where * len(TRADES) + trade, habit)
            explores = rng.random(len(chosen)) < population.parameters.customers.new_merchant_share
            result[chosen] = merchants.at(where, trade, np.where(explores, rng.random(len(chosen)), by_habit))
        return result

    def _terminals(
        self, merchant: Int64Array, at_atm: BoolArray, town: Int64Array, rng: np.random.Generator
    ) -> Int64Array:
        merchants, uniform = self._population.merchants, rng.random(len(merchant))
        in_town = (merchant >= 0) & (merchants.town[merchant] < ONLINE)
        result = np.where(in_town, merchants.terminal(merchant, uniform), -1)
        result[at_atm] = merchants.cash_machine(town[at_atm], uniform[at_atm])
        return result

    def _amounts(
        self,
        account: Int64Array,
        act: Int64Array,
        shopping: BoolArray,
        takings: BoolArray,
        merchant: Int64Array,
        rng: np.random.Generator,
    ) -> Float64Array:
        """Amounts in minor units, whole numbers."""
        population, merchants = self._population, self._population.merchants
        trade = merchants.trade[merchant]
        median = np.where(shopping, _TRADE_MEDIAN[trade] * merchants.price_level[merchant], _EURO[act])
        spread = np.where(shopping, _TRADE_SPREAD[trade], _SPREAD[act])
        median, spread = np.where(takings, _TAKINGS_EURO, median), np.where(takings, _TAKINGS_SPREAD, spread)
        drawn = np.clip(rng.normal(0, 1, len(account)), -3.5, 3.5)
        euro = median * np.exp(drawn * spread) * population.spending[account]
        cash = (act == WITHDRAWAL) | (act == DEPOSIT)
        euro = np.where(cash, np.maximum(np.rint(euro / 10) * 10, 10), euro)
        result: Float64Array = np.rint(euro * population.minor_per_euro[account])
        return result

    def _payees(self, account: Int64Array, act: Int64Array, rng: np.random.Generator) -> Int64Array:
        """Payee numbers: friends by habit, now and then anyone; of bills, a few companies."""
        population = self._population
        which = np.minimum(rng.geometric(0.4, len(account)), _HABITS_MAX)
        anyone = PEOPLE + rng.integers(0, population.n, len(account))
        new = rng.random(len(account)) < population.parameters.customers.new_payee_share
        person = np.where(new, anyone, population.friend(account, which))
        result = np.where((act == TRANSFER) | (act == RECEIVED), person, -1)
        return np.where(act == BILL, population.company(account, which), result)

    def _devices(
        self, account: Int64Array, act: Int64Array, online: BoolArray, rng: np.random.Generator
    ) -> tuple[Int64Array, Int64Array]:
        """Channel and device of each payment."""
        uniform = rng.random((2, len(account)))
        own = online | np.isin(act, _DEVICE_ACTIVITIES)
        web = own & (uniform[0] < np.where(online, 0.6, 0.25))
        channel = np.where(web, WEB, APP)
        channel[((act == PURCHASE) | (act == REFUND)) & ~online] = POS
        channel[act == WITHDRAWAL], channel[act == DEPOSIT], channel[act == PARTNER] = ATM, BRANCH, BY_PARTNER
        device = np.where(own, np.where(web & (uniform[1] < 0.7), LAPTOP, PHONE), NO_DEVICE)
        shared = own & (self._population.household[account] >= 0) & (uniform[1] > 0.8)
        return channel, np.where(shared, TABLET, device)
