"""Episodes: the payments of one fraud or benign anomaly on one account, before they are merged into the stream."""

from __future__ import annotations

from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from fraudstream.contracts import amount_text
from fraudstream.contracts.duration import UNITS_MS
from fraudstream.generator.merchants import ONLINE
from fraudstream.generator.mule_networks import MuleNetworks
from fraudstream.generator.places import BANKS, NAME_MATCH, TOWNS
from fraudstream.generator.population import PEOPLE, Population, payee_id

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


class EpisodeWriter:
    """Collects the rows of one episode of one account in `rows`."""

    def __init__(
        self,
        population: Population,
        account: int,
        typology: str | None,
        rng: np.random.Generator,
        networks: MuleNetworks | None = None,
    ) -> None:
        self.population = population
        self.account = account
        self.rng = rng
        self._typology = typology
        self._networks = networks
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

    def ring_payee(self, at_ms: float) -> dict[str, Any]:
        """Fields of a counterparty that receives stolen money: an account of a ring at work, or one used once."""
        if self._networks is None or self.rng.random() >= self._networks.parameters.used_share:
            return self.stranger()
        payees = self._networks.ring(at_ms).payees
        return self._counterparty(payees[int(self.rng.integers(0, len(payees)))], 0.6)

    def ring_collector(self, at_ms: float) -> dict[str, Any]:
        """Fields of the counterparty to which a mule passes money on."""
        if self._networks is None:
            return self.stranger()
        collectors = self._networks.ring(at_ms).collectors
        return self._counterparty(collectors[int(self.rng.integers(0, len(collectors)))], 0.6)

    def person(self) -> dict[str, Any]:
        """Fields of a counterparty that is a customer here."""
        return self._counterparty(payee_id(PEOPLE + int(self.rng.choice(self.population.active))), 0.97)

    def _counterparty(self, name: str, name_match: float) -> dict[str, Any]:
        """`name_match`: share of the counterparties whose name matches; always the same for one of them."""
        code = crc32(name.encode())
        return {
            "counterparty_id": name,
            "counterparty_bank": BANKS[code % len(BANKS)],
            "attributes": {NAME_MATCH: code / 2**32 < name_match},
        }

    def foreign(self, at_ms: float, country: str | None = None) -> dict[str, Any]:
        """Fields of a thief's device and IP address, sometimes used before. `country`: the account's home if None."""
        rng = self.rng
        device = f"dev-x{int(rng.integers(0, 1 << 40)):011x}"
        if self._networks is not None and rng.random() < self._networks.parameters.device_reuse_share:
            device = str(rng.choice(self._networks.ring(at_ms).devices))
        return {
            "device_id": device,
            "ip": f"203.0.113.{int(rng.integers(1, 255))}",
            "country": country or self._town.country,
        }

    def shop(self, town: int) -> dict[str, Any]:
        """Fields of a purchase at a merchant of a town or online, by demand and popularity, with place and terminal."""
        merchants, at = self.population.merchants, np.array([town])
        drawn = self.rng.random((3, 1))
        local_hour = self.rng.integers(8, 22, 1)
        trade = merchants.trades(local_hour, False, town == ONLINE, drawn[0])
        merchant = int(merchants.at(at, trade, drawn[1])[0])
        found = {"kind": "purchase", "merchant_id": merchants.ids[merchant], "mcc": merchants.mcc[merchant]}
        if town == ONLINE:
            return {**found, "channel": "web" if drawn[2, 0] < 0.6 else "app", "card_present": False}
        return {**found, "channel": "pos", **self._at(int(merchants.terminal(np.array([merchant]), drawn[2])[0]))}

    def takings(self, merchant: int) -> dict[str, Any]:
        """Fields of a card payment of a customer, as the account of the merchant sees it."""
        merchants = self.population.merchants
        online = merchants.town[merchant] == ONLINE
        return {
            "kind": "purchase",
            "channel": "web" if online else "pos",
            "merchant_id": merchants.ids[merchant],
            "mcc": merchants.mcc[merchant],
            "card_present": not online and bool(self.rng.random() < 0.5),
        }

    def cash_machine(self, town: int) -> dict[str, Any]:
        """Fields of a cash withdrawal at a machine of a town."""
        number = int(self.population.merchants.cash_machine(np.array([town]), self.rng.random(1))[0])
        return {"kind": "cash_withdrawal", "channel": "atm", **self._at(number)}

    def _at(self, terminal: int) -> dict[str, Any]:
        merchants = self.population.merchants
        return {
            "card_present": True,
            "terminal_id": merchants.terminal_ids[terminal],
            "country": TOWNS[merchants.terminal_town[terminal]].country,
            "lat": float(merchants.terminal_lat[terminal]),
            "lon": float(merchants.terminal_lon[terminal]),
        }
