"""Rings of mules: payees that receive from many victims for weeks, collectors they pass it on to, shared devices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fraudstream.generator.population import PEOPLE, Population, payee_id
from fraudstream.generator.week import DAY_MS

_OWN_SHARE = 0.3  # of a ring's receiving accounts that are customers here: people whom friends pay, too
_DEVICES = 3


class Ring(NamedTuple):
    """One ring. `accounts`: numbers of its mules among the customers. `until_ms`: when it ends."""

    payees: list[str]
    collectors: list[str]
    accounts: list[int]
    devices: list[str]
    until_ms: int


class MuleNetworks:
    """The rings at work."""

    def __init__(self, population: Population, rng: np.random.Generator) -> None:
        self.parameters = population.parameters.mule_networks
        self._population, self._rng = population, rng
        self._rings: list[Ring] = []
        self._count = max(1, round(self.parameters.per_10000_customers * population.n / 10_000))
        self._begun = False

    def ring(self, at_ms: float) -> Ring:
        """A ring that is at work at `at_ms`."""
        self._rings = [ring for ring in self._rings if ring.until_ms > at_ms]
        while len(self._rings) < self._count:
            self._rings.append(self._new(at_ms))
        self._begun = True
        return self._rings[int(self._rng.integers(0, len(self._rings)))]

    def _new(self, at_ms: float) -> Ring:
        rng, parameters = self._rng, self.parameters
        count = int(rng.integers(parameters.payees_min, max(parameters.payees_min, parameters.payees_max) + 1))
        own = [int(account) for account in rng.choice(self._population.active, count) if rng.random() < _OWN_SHARE]
        accounts = own or [int(rng.choice(self._population.active))]
        payees = [payee_id(PEOPLE + account) for account in own]
        payees += [_stranger(rng) for _ in range(count - len(own))]
        days = rng.uniform(parameters.days_min, max(parameters.days_min, parameters.days_max))
        if not self._begun:  # at work since before the stream
            days *= rng.random()
        devices = [f"dev-x{int(rng.integers(0, 1 << 40)):011x}" for _ in range(_DEVICES)]
        return Ring(payees, [_stranger(rng) for _ in range(2)], accounts, devices, int(at_ms + days * DAY_MS))


def _stranger(rng: np.random.Generator) -> str:
    return f"cp-x{int(rng.integers(0, 1 << 40)):011x}"
