"""Which fraud comes next, so that each typology has its share of the fraudulent payments."""

from __future__ import annotations

import numpy as np

from fraudstream.generator.frauds import FRAUDS
from fraudstream.generator.parameters import Typologies

_FIRST_PAYMENTS = 6.0  # of a typology at most, by which its first fraud comes earlier


class FraudMix:
    """Counts payments of each typology that is committed as single frauds, in `FRAUDS`."""

    def __init__(self, typologies: Typologies, rng: np.random.Generator) -> None:
        weights = {name: typologies.named(name).weight for name in FRAUDS}
        self._names = [name for name, weight in weights.items() if weight]
        total = sum(weights.values())
        self._shares = np.array([weights[name] / total for name in self._names])
        self._written = -rng.uniform(0, _FIRST_PAYMENTS, len(self._names))
        self._exhausted = np.zeros(len(self._names), np.bool_)

    def next(self) -> str | None:
        """The typology that lacks most payments; None if there is none."""
        if self._exhausted.all():
            return None
        lacking = self._shares * max(1.0, self._written.sum() + 1) - self._written
        return self._names[int(np.argmax(np.where(self._exhausted, -np.inf, lacking)))]

    def written(self, name: str, payments: int) -> None:
        """Note a fraud of that many payments; one of none says that the typology finds no account any more."""
        at = self._names.index(name)
        self._written[at] += payments
        self._exhausted[at] = not payments
