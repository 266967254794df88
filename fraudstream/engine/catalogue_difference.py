"""Whether two catalogues need the same state: then their rules can replace each other without a backfill."""

from __future__ import annotations

from fraudstream.engine.catalogue import Catalogue, Feature


def catalogue_difference(old: Catalogue, new: Catalogue) -> str | None:
    """The first reason why state built under `old` can't be used under `new`, in a few words; None if it can.

    Derived features, and attributes that no filter reads, are not part of the state: they may change.
    """
    old_entities, new_entities = ({entity.name: entity for entity in catalogue.entities} for catalogue in (old, new))
    if list(old_entities) != list(new_entities):
        return f"its entities are {', '.join(new_entities)}, those in force {', '.join(old_entities)}"
    for name, entity in new_entities.items():
        if entity != old_entities[name]:
            return f"entity '{name}' is declared differently"
    was, now = (_features(catalogue) for catalogue in (old, new))
    for name in sorted(was.keys() | now.keys()):
        if name not in was:
            return f"feature '{name}' is new"
        if name not in now:
            return f"feature '{name}' was removed"
        if was[name] != now[name]:
            return f"feature '{name}' is declared differently"
    return None


def _features(catalogue: Catalogue) -> dict[str, tuple[object, ...]]:
    """By name, what the state of each feature depends on."""
    return {feature.name: _content(feature, catalogue) for feature in catalogue.features}


def _content(feature: Feature, catalogue: Catalogue) -> tuple[object, ...]:
    """What the feature's state depends on, with the types of the attributes that its filter reads."""
    where, types = feature.where, catalogue.payment_symbols
    return (
        feature.aggregate,
        feature.of,
        feature.same,
        feature.window_ms,
        feature.delay_ms,
        feature.includes,
        feature.exact,
        feature.prior,
        feature.strength,
        feature.last,
        None if where is None else (where.source, sorted((name, types[name].name) for name in where.names)),
    )
