"""One payment of an episode, before it has its place in the stream."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fraudstream.contracts import Payment, amount_text
from fraudstream.contracts.duration import UNITS_MS
from fraudstream.generator.places import BANKS, NAME_MATCH, TOWNS, TRADES
from fraudstream.generator.population import TERMINALS, Population

MINUTE_MS, HOUR_MS, DAY_MS = UNITS_MS["m"], UNITS_MS["h"], UNITS_MS["d"]


class Row(NamedTuple):
    """`typology`: of a fraud; None for what is merely odd. `signed_minor`: what it does to the account's balance."""

    at_ms: int
    typology: str | None
    account: int
    signed_minor: int
    fields: dict[str, Any]

    def payment(self, event_id: str, before_minor: int, after_minor: int) -> Payment:
        currency = self.fields["currency"]
        return Payment(
            event_id=event_id,
            occurred_at=self.at_ms,
            balance_before=amount_text(before_minor, currency),
            balance_after=amount_text(after_minor, currency),
            **self.fields,
        )


class Pen:
    """Writes the rows of one episode of one account."""

    def __init__(self, population: Population, account: int, typology: str | None, rng: np.random.Generator) -> None:
        self.population = population
        self.account = account
        self.rng = rng
        self._typology = typology
        self._town = TOWNS[population.home[account]]
        self.rows: list[Row] = []

    def write(self, at_ms: float, euro: float, direction: str = "debit", **fields: Any) -> None:
        """A payment of so many euros' worth, in the account's own currency. Fields that are None are left out."""
        population, account = self.population, self.account
        currency = population.currency[account]
        minor = max(1, round(euro * float(population.minor_per_euro[account])))
        given = {"country": self._town.country, **fields}
        self.rows.append(
            Row(
                int(at_ms),
                self._typology,
                account,
                minor if direction == "credit" else -minor,
                {
                    "account_id": population.account_ids[account],
                    "amount": amount_text(minor, currency),
                    "currency": currency,
                    "direction": direction,
                    **{name: value for name, value in given.items() if value is not None},
                },
            )
        )

    def balance_euro(self) -> float:
        """What the account holds as the episode begins."""
        return float(self.population.balance_minor[self.account] / self.population.minor_per_euro[self.account])

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both possible."""
        return int(self.rng.integers(low, high + 1))

    def stranger(self, name_match: float = 0.4) -> dict[str, Any]:
        """A counterparty that nobody has paid before; `name_match`: how often the name given is the account's."""
        return {
            "counterparty_id": f"cp-x{int(self.rng.integers(0, 1 << 40)):011x}",
            "counterparty_bank": BANKS[int(self.rng.integers(0, len(BANKS)))],
            "attributes": {NAME_MATCH: bool(self.rng.random() < name_match)},
        }

    def own(self) -> dict[str, Any]:
        """The account's usual phone and address."""
        return {
            "device_id": self.population.device(self.account),
            "ip": self.population.home_ips[self.account],
        }

    def foreign(self, country: str | None = None) -> dict[str, Any]:
        """A device and an address never seen on this account."""
        return {
            "device_id": f"dev-x{int(self.rng.integers(0, 1 << 40)):011x}",
            "ip": f"203.0.113.{int(self.rng.integers(1, 255))}",
            "country": country or self._town.country,
        }

    def shop(self, town: int) -> dict[str, Any]:
        """Some merchant of a town (`len(TOWNS)`: online), with its place and terminal if it has one."""
        population = self.population
        merchant = int(self.rng.integers(population.shops_from[town], population.shops_from[town + 1]))
        found = {
            "kind": "purchase",
            "merchant_id": population.merchant_ids[merchant],
            "mcc": TRADES[population.merchant_trade[merchant]].mcc,
        }
        if town == len(TOWNS):
            return {**found, "channel": "web", "card_present": False}
        return {
            **found,
            "channel": "pos",
            "card_present": True,
            "terminal_id": f"term-{merchant * TERMINALS:07d}",
            "country": TOWNS[town].country,
            "lat": round(float(population.merchant_lat[merchant]), 5),
            "lon": round(float(population.merchant_lon[merchant]), 5),
        }
