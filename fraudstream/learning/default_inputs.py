"""Which fields and features a model reads unless it is told: every number, amount, duration and flag that keeps its
meaning as the log grows."""

from __future__ import annotations

from typing import Final

from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.expression import PAYMENT_FIELDS, Type
from fraudstream.engine.scorer import Scorer
from fraudstream.engine.trees.inputs import SCORE

# Ages count from the start of the log: next month they have values that training has never seen.
GROWING: Final = frozenset({"age"})
_NOT_READ: Final = frozenset({"lat", "lon"})  # a place itself; its distance from the last one is a feature


def default_inputs(catalogue: Catalogue, score: Scorer) -> tuple[str, ...]:
    """Names of the inputs, in the catalogue's order: payment fields, attributes, features, derived ones, the score.

    `score`: of the rule set; it is an input if it has parts.
    """
    growing = {feature.name for feature in catalogue.features if feature.aggregate in GROWING}
    fields = [name for name in catalogue.payment_symbols if name not in _NOT_READ]
    features = [*(feature.name for feature in catalogue.features), *(derived.name for derived in catalogue.derived)]
    symbols = {**PAYMENT_FIELDS, **catalogue.symbols}
    names = [name for name in (*fields, *features) if symbols[name] is not Type.TEXT and name not in growing]
    return (*names, SCORE) if score.inputs and SCORE not in symbols else tuple(names)
