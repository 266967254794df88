"""Whether two catalogues keep the same memory: then a rule set with one can take over from one with the other."""

from __future__ import annotations

from fraudstream.engine.catalogue import Catalogue, Feature


def catalogue_difference(old: Catalogue, new: Catalogue) -> str | None:
    """What makes the memory of `new` another than that of `old`, in a few words; None if `new` goes on with it.

    Derived features, and attributes that no filter reads, are of the payment alone: they may change.
    """
    olds, news = ({entity.name: entity for entity in catalogue.entities} for catalogue in (old, new))
    if list(olds) != list(news):
        return f"its entities are {', '.join(news)}, those in force {', '.join(olds)}"
    for name, entity in news.items():
        if entity != olds[name]:
            return f"entity '{name}' is declared otherwise"
    was, now = (_features(catalogue) for catalogue in (old, new))
    for name in sorted(was.keys() | now.keys()):
        if name not in was:
            return f"feature '{name}' is new"
        if name not in now:
            return f"feature '{name}' is gone"
        if was[name] != now[name]:
            return f"feature '{name}' is declared otherwise"
    return None


def _features(catalogue: Catalogue) -> dict[str, tuple[object, ...]]:
    return {feature.name: _content(feature, catalogue) for feature in catalogue.features}


def _content(feature: Feature, catalogue: Catalogue) -> tuple[object, ...]:
    where, types = feature.where, catalogue.payment_symbols
    return (
        feature.aggregate,
        feature.of,
        feature.same,
        feature.window_ms,
        feature.delay_ms,
        feature.includes,
        feature.exact,
        None if where is None else (where.source, sorted((name, types[name].name) for name in where.names)),
    )
