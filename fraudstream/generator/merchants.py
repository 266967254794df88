"""Merchants, their terminals, and cash machines. Popularity within a town and category follows a power law."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraudstream.generator.parameters import Merchants as MerchantParameters
from fraudstream.generator.places import BUSY_HOURS, TOWNS, TRADES
from fraudstream.generator.stable_choice import Float64Array, Int64Array

ONLINE = len(TOWNS)  # the number of the town that online merchants are in
_IN_TOWN = np.array([number for number, trade in enumerate(TRADES) if not trade.online])
_ON_LINE = np.array([number for number, trade in enumerate(TRADES) if trade.online])
_WEIGHT = np.array([trade.weight for trade in TRADES])
_TOWN_LAT = np.array([town.lat for town in TOWNS] + [0.0])
_TOWN_LON = np.array([town.lon for town in TOWNS] + [0.0])


class Merchants:
    """Arrays over merchants (`town`, `trade`, `ids`, …) and terminals (`terminal_lat`, …), indexed by number.

    `popularity`: share of a merchant in the purchases of its town and category. `price_level`: factor on the
    category's amounts. Terminals from `first_atm` on are cash machines. Online merchants have no terminals.
    """

    def __init__(self, customers: int, parameters: MerchantParameters, rng: np.random.Generator) -> None:
        self._lay_out(customers, parameters, rng)
        n = self.n = len(self.trade)
        self.price_level: Float64Array = np.exp(rng.normal(0, 0.25, n))
        self.ids: Any = np.array([f"mer-{number:06d}" for number in range(n)], object)
        self.mcc: Any = np.array([trade.mcc for trade in TRADES], object)[self.trade]
        self._place_terminals(parameters, rng)
        self._demand()

    def _lay_out(self, customers: int, parameters: MerchantParameters, rng: np.random.Generator) -> None:
        """Merchants by cell: town × category, each cell with at least one; the first of a cell is its busiest."""
        per_town = [max(30, int(customers * town.weight / 100 / parameters.customers_a_merchant)) for town in TOWNS]
        per_town.append(max(100, int(customers / parameters.customers_a_merchant * 0.4)))
        cells, sizes = [], []
        for town, merchants in enumerate(per_town):
            trades = _ON_LINE if town == ONLINE else _IN_TOWN
            for trade in trades.tolist():
                cells.append(town * len(TRADES) + trade)
                sizes.append(max(1, round(merchants * _WEIGHT[trade] / _WEIGHT[trades].sum())))
        cell = np.repeat(np.array(cells, np.int64), sizes)
        rank = np.concatenate([np.arange(1, size + 1) for size in sizes])
        weight = rank**-parameters.popularity_exponent
        total = np.repeat(np.add.reduceat(weight, np.cumsum([0, *sizes[:-1]])), sizes)
        self.popularity: Float64Array = weight / total
        running = np.cumsum(self.popularity) - np.repeat(np.arange(len(sizes)), sizes)
        self._running: Float64Array = cell + np.minimum(running, 1.0)
        self._running[np.cumsum(sizes) - 1] = np.array(cells) + 1.0
        self.town: Int64Array = cell // len(TRADES)
        self.trade: Int64Array = cell % len(TRADES)

    def _place_terminals(self, parameters: MerchantParameters, rng: np.random.Generator) -> None:
        """More terminals for busier merchants, and a cash machine for every eight merchants of a town."""
        in_town = self.town < ONLINE
        size = np.bincount(self.town * len(TRADES) + self.trade)[self.town * len(TRADES) + self.trade]
        self.terminals: Int64Array = np.where(
            in_town, np.clip(np.rint(self.popularity * size), 1, parameters.terminals_max), 0
        ).astype(np.int64)
        self.first_terminal: Int64Array = np.cumsum(self.terminals) - self.terminals
        self.first_atm = int(self.terminals.sum())
        per_town = np.maximum(3, np.bincount(self.town, minlength=ONLINE + 1)[:ONLINE] // 8)
        self._atms, self._atms_from = per_town, self.first_atm + np.cumsum(per_town) - per_town
        town = np.concatenate([np.repeat(self.town, self.terminals), np.repeat(np.arange(ONLINE), per_town)])
        owner = np.concatenate([np.repeat(np.arange(self.n), self.terminals), np.full(int(per_town.sum()), -1)])
        self.terminal_town: Int64Array = town.astype(np.int64)
        self.terminal_merchant: Int64Array = owner.astype(np.int64)
        lat = _TOWN_LAT[self.town] + rng.normal(0, 0.05, self.n)
        lon = _TOWN_LON[self.town] + rng.normal(0, 0.05, self.n)
        atm_lat = _TOWN_LAT[town] + rng.normal(0, 0.05, len(town))
        atm_lon = _TOWN_LON[town] + rng.normal(0, 0.05, len(town))
        self.terminal_lat: Float64Array = np.where(owner >= 0, lat[owner], atm_lat).round(5)
        self.terminal_lon: Float64Array = np.where(owner >= 0, lon[owner], atm_lon).round(5)
        names = [f"{'atm' if merchant < 0 else 'term'}-{at:07d}" for at, merchant in enumerate(owner.tolist())]
        self.terminal_ids: Any = np.array(names, object)

    def _demand(self) -> None:
        """Tables of categories, in town and online: a row for each local hour of a working day, then of a weekend."""
        hours = np.array([BUSY_HOURS[trade.busy] for trade in TRADES], float)
        level = hours / hours.mean(axis=1, keepdims=True) * _WEIGHT[:, None]
        weekend = level * np.array([trade.weekend for trade in TRADES])[:, None]
        table = np.concatenate([level, weekend], axis=1).T  # (48, trades)
        self._trade_shares = {True: _running_shares(table[:, _ON_LINE]), False: _running_shares(table[:, _IN_TOWN])}

    def trades(self, local_hour: Int64Array, weekend: bool, online: bool, uniform: Float64Array) -> Int64Array:
        """A category for each purchase at a local hour (0 to 23), by demand; int64 (n,)."""
        rows = self._trade_shares[online][local_hour + 24 * weekend]
        chosen: Int64Array = (_ON_LINE if online else _IN_TOWN)[(uniform[:, None] >= rows).sum(axis=1)]
        return chosen

    def at(self, town: Any, trade: Any, uniform: Any) -> Any:
        """The merchant of that town and category at `uniform` of their popularity, in [0, 1)."""
        return np.searchsorted(self._running, town * len(TRADES) + trade + uniform, side="right")

    def terminal(self, merchant: Any, uniform: Any) -> Any:
        """A terminal of each merchant in town."""
        return self.first_terminal[merchant] + (self.terminals[merchant] * uniform).astype(np.int64)

    def cash_machine(self, town: Any, uniform: Any) -> Any:
        """A cash machine of each town; the first are the busiest."""
        return self._atms_from[town] + (self._atms[town] * uniform**2).astype(np.int64)

    def purchase_share(self, town_share: Float64Array) -> Float64Array:
        """Share of each merchant in all purchases in town, or of online merchants in those online; float64 (n,).

        `town_share`: of each town in the customers, float64 (towns,).
        """
        of_trade = np.where(self.town == ONLINE, _WEIGHT[self.trade] / _WEIGHT[_ON_LINE].sum(), 0.0)
        in_town = self.town < ONLINE
        shares = town_share[np.minimum(self.town, ONLINE - 1)] * _WEIGHT[self.trade] / _WEIGHT[_IN_TOWN].sum()
        result: Float64Array = np.where(in_town, shares, of_trade) * self.popularity
        return result


def _running_shares(table: Float64Array) -> Float64Array:
    """Running shares of each row without the last column, float64 (rows, columns - 1)."""
    shares: Float64Array = (np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True))[:, :-1]
    return shares
