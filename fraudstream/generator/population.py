"""The simulated accounts, with home, household, habits and devices; determined by a seed.

Some accounts are dormant (their last payment is months before the stream starts), some are businesses (they take card
payments).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.generator.active_hours import ActiveHours
from fraudstream.generator.merchants import ONLINE, Merchants
from fraudstream.generator.parameters import Parameters
from fraudstream.generator.places import HOMES, PRICE_LEVEL, TOWNS
from fraudstream.generator.stable_choice import BoolArray, Float64Array, Int64Array, stable_uniform
from fraudstream.generator.week import HOUR_MS, PAY_DAYS, PAY_DAYS_WEIGHT

COMPANIES, EMPLOYERS, PEOPLE = 0, 10_000, 20_000_000  # where the payee numbers of each begin
_BILLERS = 400
_NEVER = np.int64(1) << 62


class Population:
    """Arrays over accounts (`home`, `balance_minor`, …), indexed by number, and the `merchants` of their towns.

    Suffixes name the unit: `_minor` (minor units of the account's currency), `_euro`, `_ms`. `active`: accounts that
    are neither dormant nor businesses. `dormant`: dormant accounts not yet used by a fraud. `household`: number of the
    household whose tablet the account shares, -1 if none. `salt`: of everything that `stable_uniform` chooses.
    """

    def __init__(self, accounts: int, parameters: Parameters, rng: np.random.Generator) -> None:
        n, customers = accounts, parameters.customers
        self.n, self.parameters = n, parameters
        self.salt = int(rng.integers(0, 1 << 62))
        weights = np.array([TOWNS[town].weight for town in HOMES])
        self.home: Int64Array = np.array(HOMES)[rng.choice(len(HOMES), n, p=weights / weights.sum())]
        role = rng.random(n)
        self.is_dormant: BoolArray = role < customers.dormant_share
        self.business: BoolArray = role > 1 - customers.business_share
        self.is_dormant[0], self.business[-1] = True, True  # the smallest population has one of each
        self.is_dormant[-1] = self.business[0] = False
        self.household = self._households(customers.household_share, rng)
        self.currency = np.array([town.currency for town in TOWNS], object)[self.home]
        # Minor units of the account's currency per euro of prices.
        level = {code: PRICE_LEVEL[code] * 10 ** EXPONENTS[code] for code in PRICE_LEVEL}
        self.minor_per_euro: Float64Array = np.array([level[code] for code in self.currency])
        self.zone_h: Int64Array = np.array([town.zone_h for town in TOWNS])[self.home]
        self._money(rng)
        self.online_share: Float64Array = rng.beta(2, 5, n)
        self.devices_had: Int64Array = np.zeros(n, np.int64)  # incremented by a new phone
        activity = np.where(self.is_dormant, 0.0, rng.gamma(2.0, 0.5, n) + 0.05)
        self.hours = ActiveHours(self.zone_h, self.pay_day, activity, customers, rng)

        # Travel: leaves at away_from, is there from away_there to away_back, at home again from away_home.
        self.away_town: Int64Array = self.home.copy()
        self.away_from, self.away_there = np.full(n, _NEVER), np.full(n, _NEVER)
        self.away_back, self.away_home = np.full(n, _NEVER), np.full(n, _NEVER)

        self.merchants = Merchants(n, parameters.merchants, rng)
        self.active: Int64Array = np.flatnonzero(~self.is_dormant & ~self.business)
        self.businesses: Int64Array = np.flatnonzero(self.business)
        self.own_shop: Int64Array = np.full(n, -1, np.int64)  # of businesses: their merchant
        self.own_shop[self.businesses] = self._shops(rng)
        self.dormant: list[int] = np.flatnonzero(self.is_dormant).tolist()
        self.account_ids: Any = np.array([f"acc-{number:07d}" for number in range(n)], object)
        address = np.where(self.household >= 0, self.household * 2, np.arange(n)).tolist()  # a household has one
        self.home_ips: Any = np.array([f"10.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}" for a in address], object)

    def _households(self, share: float, rng: np.random.Generator) -> Int64Array:
        """Neighbouring numbers live together in a `share` of cases: one town, one address."""
        number = np.arange(self.n) // 2
        shared = (rng.random(self.n // 2 + 1) < share)[number] & ~self.is_dormant & ~self.business
        first = number * 2
        both = shared & shared[first] & shared[np.minimum(first + 1, self.n - 1)] & (first + 1 < self.n)
        self.home = np.where(both, self.home[first], self.home)
        return np.where(both, number, -1).astype(np.int64)

    def _money(self, rng: np.random.Generator) -> None:
        n = self.n
        self.spending: Float64Array = np.exp(rng.normal(0, 0.4, n))
        self.salary_euro: Float64Array = np.exp(rng.normal(7.7, 0.35, n))
        self.balance_minor: Int64Array = np.rint(
            self.salary_euro * np.exp(rng.normal(0.3, 0.8, n)) * self.minor_per_euro
        ).astype(np.int64)
        self.pay_day: Int64Array = rng.choice(len(PAY_DAYS), n, p=np.array(PAY_DAYS_WEIGHT) / sum(PAY_DAYS_WEIGHT))
        paid_at_ms = rng.integers(4 * HOUR_MS, 9 * HOUR_MS, n)  # time of the day
        self._paid_order: list[Int64Array] = []
        self._paid_at_ms: list[Int64Array] = []
        for number in range(len(PAY_DAYS)):
            members = np.flatnonzero((self.pay_day == number) & ~self.is_dormant & ~self.business)
            order = np.argsort(paid_at_ms[members], kind="stable")
            self._paid_order.append(members[order])
            self._paid_at_ms.append(paid_at_ms[members][order])

    def _shops(self, rng: np.random.Generator) -> Int64Array:
        """A merchant for each business: in its town or, for a third of them, online."""
        n = len(self.businesses)
        online, uniform, hour = rng.random(n) < 1 / 3, rng.random((2, n)), np.full(n, 12)
        town = np.where(online, ONLINE, self.home[self.businesses])
        trades = [self.merchants.trades(hour, False, on_line, uniform[0]) for on_line in (False, True)]
        shops: Int64Array = self.merchants.at(town, np.where(online, trades[1], trades[0]), uniform[1])
        return shops

    def paid(self, pay_day: int, from_ms: int, until_ms: int) -> Int64Array:
        """Accounts of a pay day (a place in `PAY_DAYS`) whose salary comes in [from_ms, until_ms), ms of the day."""
        first, last = np.searchsorted(self._paid_at_ms[pay_day], [from_ms, until_ms])
        return self._paid_order[pay_day][first:last]

    def friend(self, account: Any, which: Any) -> Any:
        """The payee number of a person whom the account pays by habit: another customer."""
        return PEOPLE + (stable_uniform(self.salt, account, which, 1) * self.n).astype(np.int64)

    def company(self, account: Any, which: Any) -> Any:
        """The payee number of a company that sends the account bills; a few send most of them."""
        return COMPANIES + (_BILLERS ** stable_uniform(self.salt, account, which, 2)).astype(np.int64)

    def employer(self, account: Any) -> Any:
        """The payee number of the account's employer."""
        return EMPLOYERS + (5_000 * stable_uniform(self.salt, account, 3) ** 2).astype(np.int64)

    def device(self, account: int) -> str:
        """The device id of the account's current phone."""
        return f"dev-{account:07d}-{self.devices_had[account]}"

    def store(self, account: Int64Array, signed_minor: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Apply payments to the balances; returns the balance before and after each, in minor units.

        No balance goes below zero: an overdraft is recorded as 0.
        """
        if not len(account):
            return signed_minor, signed_minor
        order = np.argsort(account, kind="stable")
        owner = account[order]
        total = np.cumsum(signed_minor[order])
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        earlier = np.repeat(total[first] - signed_minor[order][first], np.diff(first, append=len(owner)))
        after = np.empty(len(account), np.int64)
        after[order] = self.balance_minor[owner] + total - earlier
        before = np.maximum(after - signed_minor, 0)
        last = np.append(first[1:], len(owner)) - 1
        after = np.maximum(after, 0)
        self.balance_minor[owner[last]] = after[order[last]]
        return before, after


def payee_id(number: int) -> str:
    """The `counterparty_id` of a payee number."""
    return f"cp-{number:08d}"
