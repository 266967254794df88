"""The simulated accounts, with home, habits and devices, and the merchants of their towns; determined by a seed.

Some accounts are dormant (their last payment is months before the stream starts), some are businesses (they take card
payments).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.reference_payments.places import HOMES, HOURS, HOURS_WEIGHT, PRICE_LEVEL, TOWNS, TRADES
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.duration import UNITS_MS

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MONTH_MS = int(30.4375 * UNITS_MS["d"])
DORMANT_SHARE, BUSINESS_SHARE = 0.01, 0.02
PAYEES_KNOWN = 4
TERMINALS = 3  # per merchant
_NEVER = np.int64(1) << 62


class Population:
    """Arrays over accounts (`home`, `balance_minor`, …) and merchants (`merchant_trade`, …), indexed by number.

    Suffixes name the unit: `_minor` (minor units of the account's currency), `_euro`, `_ms`. `active`: accounts that
    are neither dormant nor businesses. `dormant`: dormant accounts not yet used by a fraud.
    """

    def __init__(self, accounts: int, rng: np.random.Generator) -> None:
        n = self.n = accounts
        weights = np.array([TOWNS[town].weight for town in HOMES])
        self.home: Int64Array = np.array(HOMES)[rng.choice(len(HOMES), n, p=weights / weights.sum())]
        self.lat: Float64Array = np.array([town.lat for town in TOWNS])[self.home] + rng.normal(0, 0.04, n)
        self.lon: Float64Array = np.array([town.lon for town in TOWNS])[self.home] + rng.normal(0, 0.06, n)
        self.currency = np.array([town.currency for town in TOWNS], object)[self.home]
        # Minor units of the account's currency per euro of prices.
        level = {code: PRICE_LEVEL[code] * 10 ** EXPONENTS[code] for code in PRICE_LEVEL}
        self.minor_per_euro: Float64Array = np.array([level[code] for code in self.currency])
        self.spending: Float64Array = np.exp(rng.normal(0, 0.4, n))
        self.salary_euro: Float64Array = np.exp(rng.normal(7.7, 0.35, n))
        self.balance_minor: Int64Array = np.rint(
            self.salary_euro * np.exp(rng.normal(0.3, 0.8, n)) * self.minor_per_euro
        ).astype(np.int64)
        self.salary_phase_ms: Int64Array = rng.integers(0, MONTH_MS, n)
        self.online_share: Float64Array = rng.beta(2, 5, n)
        role = rng.random(n)
        self.is_dormant: BoolArray = role < DORMANT_SHARE
        self.business: BoolArray = role > 1 - BUSINESS_SHARE
        self.is_dormant[0], self.business[-1] = True, True  # the smallest population has one of each
        activity = np.where(self.is_dormant, 0.0, rng.gamma(2.0, 0.5, n) + 0.05)
        self.devices_had: Int64Array = np.zeros(n, np.int64)  # incremented by a new device
        self._hours(activity, rng)

        # Travel: leaves at away_from, is there from away_there to away_back, at home again from away_home.
        self.away_town: Int64Array = self.home.copy()
        self.away_from, self.away_there = np.full(n, _NEVER), np.full(n, _NEVER)
        self.away_back, self.away_home = np.full(n, _NEVER), np.full(n, _NEVER)

        self._merchants(rng)
        self.salary_order: Int64Array = np.argsort(self.salary_phase_ms, kind="stable").astype(np.int64)
        self.salary_sorted_ms: Int64Array = self.salary_phase_ms[self.salary_order]
        self.active: Int64Array = np.flatnonzero(~self.is_dormant & ~self.business)
        self.businesses: Int64Array = np.flatnonzero(self.business & ~self.is_dormant)
        self.dormant: list[int] = np.flatnonzero(self.is_dormant).tolist()
        self.account_ids: Any = np.array([f"acc-{i:07d}" for i in range(n)], object)
        self.home_ips: Any = np.array([f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" for i in range(n)], object)

    def _hours(self, activity: Float64Array, rng: np.random.Generator) -> None:
        """Group accounts by active hours (UTC); within a group an account is drawn in proportion to its activity."""
        kind = rng.choice(len(HOURS), self.n, p=np.array(HOURS_WEIGHT) / sum(HOURS_WEIGHT))
        zone = np.array([town.zone_h for town in TOWNS])[self.home]
        group = kind * 64 + (zone + 24)
        self._members: list[Int64Array] = []
        self._cumulative: list[Float64Array] = []
        rows = []
        for code in np.unique(group):
            members = np.flatnonzero(group == code).astype(np.int64)
            cumulative = np.cumsum(activity[members])
            hours = np.roll(np.array(HOURS[code // 64], float), -(code % 64 - 24))  # by UTC
            self._members.append(members)
            self._cumulative.append(cumulative)
            rows.append(cumulative[-1] * hours / hours.sum())
        by_hour = np.array(rows)  # (groups, 24)
        total = by_hour.sum(axis=0)
        self.hour_level: Float64Array = total / total.mean()  # payments in each hour of UTC, 1 on average
        self._group_share: Float64Array = (by_hour / np.maximum(total, 1e-300)).T

    def draw_accounts(self, n: int, hour: int, rng: np.random.Generator) -> Int64Array:
        """`n` accounts that pay in this hour of the day (UTC), drawn by active hours and activity; int64, shuffled."""
        sizes = rng.multinomial(n, self._group_share[hour])
        drawn = []
        for members, cumulative, size in zip(self._members, self._cumulative, sizes, strict=True):
            if size:
                picks = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
                drawn.append(members[np.minimum(picks, len(members) - 1)])
        result = np.concatenate(drawn) if drawn else np.zeros(0, np.int64)
        rng.shuffle(result)
        return result

    def _merchants(self, rng: np.random.Generator) -> None:
        in_town = [index for index, trade in enumerate(TRADES) if not trade.online]
        online = [index for index, trade in enumerate(TRADES) if trade.online]
        sizes = [max(30, int(self.n * town.weight / 100 / 20)) for town in TOWNS] + [max(100, self.n // 50)]
        self.shops_from: Int64Array = np.concatenate([[0], np.cumsum(sizes)]).astype(
            np.int64
        )  # of each town; last: online
        town = np.repeat(np.arange(len(sizes)), sizes)
        self.merchants = len(town)
        trade = np.where(
            town < len(TOWNS),
            rng.choice(in_town, self.merchants, p=_shares(in_town)),
            rng.choice(online, self.merchants, p=_shares(online)),
        )
        nearest = np.minimum(town, len(TOWNS) - 1)
        self.merchant_trade: Int64Array = trade.astype(np.int64)
        spread = np.where(town < len(TOWNS), 0.05, 0.0)
        self.merchant_lat: Float64Array = (
            np.array([t.lat for t in TOWNS])[nearest] + rng.normal(0, 1, self.merchants) * spread
        )
        self.merchant_lon: Float64Array = (
            np.array([t.lon for t in TOWNS])[nearest] + rng.normal(0, 1, self.merchants) * spread
        )
        self.merchant_country = np.array([t.country for t in TOWNS], object)[nearest]
        self.merchant_ids: Any = np.array([f"mer-{i:06d}" for i in range(self.merchants)], object)

    def shops(self, account: Int64Array, town: Int64Array, rng: np.random.Generator) -> Int64Array:
        """A merchant for each payment, int64 (n,): mostly one of the account's few habitual ones in that town."""
        first, size = self.shops_from[town], self.shops_from[town + 1] - self.shops_from[town]
        habit = np.minimum(rng.geometric(0.3, len(account)), 12)
        habitual = (account * 2654435761 + habit * 40503 + town * 97) % size
        anywhere = (size * rng.random(len(account)) ** 2).astype(
            np.int64
        )  # the first merchants of a town are the busiest
        result: Int64Array = first + np.where(rng.random(len(account)) < 0.9, habitual, anywhere)
        return result

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

    def device(self, account: int, which: int | None = None) -> str:
        """The device id of the account's current device, or of its device number `which`."""
        return f"dev-{account:07d}-{self.devices_had[account] if which is None else which}"


def payee_id(number: int) -> str:
    """The `counterparty_id` of a payee number."""
    return f"cp-{number:08d}"


def _shares(trades: list[int]) -> Float64Array:
    weights = np.array([TRADES[trade].weight for trade in trades], float)
    result: Float64Array = weights / weights.sum()
    return result
