"""All aggregates of the feature catalogue, by name.

To add one: CONTRIBUTING.md, *Add an aggregate*.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fraudstream.engine.aggregates import (
    count,
    deviation,
    distinct,
    extremes,
    first_seen,
    last,
    median,
    rarity,
    risk,
    share,
    since_last,
    sums,
    travel,
    z_score,
)
from fraudstream.engine.aggregates.definition import Aggregate

_MODULES = (
    count,
    sums,
    extremes,
    deviation,
    distinct,
    share,
    since_last,
    first_seen,
    travel,
    median,
    last,
    z_score,
    rarity,
    risk,
)


def _by_name() -> Mapping[str, Aggregate]:
    """The definitions in the order of their ids. Asserts that ids and names are unique."""
    found = sorted((definition for module in _MODULES for definition in module.DEFINITIONS), key=lambda a: a.id)
    assert len({a.id for a in found}) == len(found), f"an id is used twice: {[a.id for a in found]}"
    named = {definition.name: definition for definition in found}
    assert len(named) == len(found), f"a name is used twice: {[a.name for a in found]}"
    return MappingProxyType(named)


REGISTRY: Mapping[str, Aggregate] = _by_name()
