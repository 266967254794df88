"""The values that each name of a catalogue can have, so that a comparison with another value is refused."""

from __future__ import annotations

import math

from fraudstream.engine.aggregates.operands import CODE_FIELD
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.catalogue import Catalogue, Feature
from fraudstream.engine.expression import (
    ATTRIBUTE_CHARS_MAX,
    PAYMENT_DOMAINS,
    Bounds,
    Domain,
    Domains,
    Texts,
    Type,
    WholeBounds,
    text_domain,
)

_QUANTITIES = (Type.NUMBER, Type.MONEY, Type.DURATION)
_SHARE = Bounds(0.0, 1.0)
_COUNT = WholeBounds(0.0, math.inf)
_NOT_NEGATIVE = Bounds(0.0, math.inf)  # sums and means of amounts, times since, distances, bits


def domains_of(catalogue: Catalogue) -> Domains:
    """The domain of each payment field, text attribute and feature; names that are missing here may have any value."""
    found: dict[str, Domain] = dict(PAYMENT_DOMAINS)
    for name, type_ in catalogue.attributes.items():
        if type_ is Type.TEXT:
            found[f"attributes.{name}"] = Texts(f"attributes.{name}", ATTRIBUTE_CHARS_MAX)
    for feature in catalogue.features:
        if (domain := _of_feature(feature)) is not None:
            found[feature.name] = domain
    for derived in catalogue.derived:
        if derived.type in _QUANTITIES:
            found[derived.name] = derived.expression.bounds(found)
    return found


def _of_feature(feature: Feature) -> Domain | None:
    aggregate = REGISTRY[feature.aggregate]
    if aggregate.operand is CODE_FIELD and aggregate.type is Type.TEXT:
        assert feature.of is not None, f"{feature.name} has no field"
        return text_domain(feature.of)
    if aggregate.type not in _QUANTITIES:
        return None
    if aggregate.name == "z_score":
        return None
    if aggregate.name in ("count", "distinct"):
        return _COUNT
    return _SHARE if aggregate.name == "share" else _NOT_NEGATIVE
