"""Episodes: the payments of one fraud or benign anomaly on one account, before they are merged into the stream."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from benchmarks.reference_payments.places import BANKS, NAME_MATCH, TOWNS, TRADES
from benchmarks.reference_payments.population import TERMINALS, Population
from fraudstream.contracts import Payment, amount_text
from fraudstream.contracts.duration import UNITS_MS

MINUTE_MS, HOUR_MS, DAY_MS = UNITS_MS["m"], UNITS_MS["h"], UNITS_MS["d"]


class Row(NamedTuple):
    """One payment of an episode. `typology`: of a fraud; None for a benign anomaly.

    `at_ms`: event time. `signed_minor`: effect on the account's balance in minor units. `fields`: other `Payment`
    fields by name.
    """

    at_ms: int
    typology: str | None
    account: int
    signed_minor: int
    fields: dict[str, Any]

    def payment(self, event_id: str, before_minor: int, after_minor: int) -> Payment:
        """The payment with this id and the balances before and after it in minor units."""
        currency = self.fields["currency"]
        return Payment(
            event_id=event_id,
            occurred_at=self.at_ms,
            balance_before=amount_text(before_minor, currency),
            balance_after=amount_text(after_minor, currency),
            **self.fields,
        )


class EpisodeWriter:
    """Collects the rows of one episode of one account in `rows`."""

    def __init__(self, population: Population, account: int, typology: str | None, rng: np.random.Generator) -> None:
        self.population = population
        self.account = account
        self.rng = rng
        self._typology = typology
        self._town = TOWNS[population.home[account]]
        self.rows: list[Row] = []

    def write(self, at_ms: float, euro: float, direction: str = "debit", **fields: Any) -> None:
        """Append a payment of `euro` converted to the account's currency. Fields that are None are omitted."""
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
        """The account's balance at the start of the episode, in euro."""
        return float(self.population.balance_minor[self.account] / self.population.minor_per_euro[self.account])

    def between(self, low: float, high: float) -> float:
        """A random number, uniform in [low, high)."""
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A random integer, uniform in [low, high], both included."""
        return int(self.rng.integers(low, high + 1))

    def stranger(self, name_match: float = 0.4) -> dict[str, Any]:
        """Fields of a new counterparty. `name_match`: probability that the payee name matches the account."""
        return {
            "counterparty_id": f"cp-x{int(self.rng.integers(0, 1 << 40)):011x}",
            "counterparty_bank": BANKS[int(self.rng.integers(0, len(BANKS)))],
            "attributes": {NAME_MATCH: bool(self.rng.random() < name_match)},
        }

    def own(self) -> dict[str, Any]:
        """Fields of the account's usual device and IP address."""
        return {
            "device_id": self.population.device(self.account),
            "ip": self.population.home_ips[self.account],
        }

    def foreign(self, country: str | None = None) -> dict[str, Any]:
        """Fields of a new device and IP address. `country`: the account's home country if None."""
        return {
            "device_id": f"dev-x{int(self.rng.integers(0, 1 << 40)):011x}",
            "ip": f"203.0.113.{int(self.rng.integers(1, 255))}",
            "country": country or self._town.country,
        }

    def shop(self, town: int) -> dict[str, Any]:
        """Fields of a purchase at a random merchant of a town (`len(TOWNS)`: online), with location and terminal."""
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
