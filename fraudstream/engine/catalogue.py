"""The feature catalogue: which features of an account (a device, a merchant, …) are known when a payment is decided.

`catalogue_reading` reads `features.yaml`. A catalogue gives the type of each name in expressions; `plan` compiles it to
the numbers that the kernel reads. Which aggregates exist, and what each accepts, is in `aggregates.registry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.entity_key import Key
from fraudstream.engine.expression import PAYMENT_FIELDS, Expression, Symbols, Type

WINDOW_MIN_MS, WINDOW_MAX_MS = UNITS_MS["m"], 90 * UNITS_MS["d"]
# A ring with free slots keeps at least a day, so that repeats are detected and late payments can be ordered.
HORIZON_MIN_MS = UNITS_MS["d"]


@dataclass(frozen=True, slots=True)
class Entity:
    """What state is kept for. `key`: the parts of the payment that identify it. `slots`: the most payments its ring
    holds. `panes` panes of `pane_ms` summarize the payments that left the ring."""

    name: str
    key: Key
    slots: int
    pane_ms: int
    panes: int


@dataclass(frozen=True, slots=True)
class Feature:
    """`name` is `entity.feature`, `aggregate` one of the registry. `of`: a field, 'amount' or a label. `same`: a field
    in which payments must agree with the current one. `includes`: the current payment counts. `exact`: False if the
    ring need not grow for its window, because panes answer it. `prior`, `strength`, `last`: of an aggregate that takes
    them."""

    name: str
    entity: str
    aggregate: str
    type: Type
    of: str | None
    same: str | None
    window_ms: int
    delay_ms: int
    where: Expression | None
    includes: bool
    exact: bool
    prior: float | None = None
    strength: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """A feature computed from the payment, its other features and those derived before it, when it is decided."""

    name: str
    type: Type
    expression: Expression


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`attributes`: types by name. `entities`: in the order of the stages; the account comes first.
    `label_retention_ms`: how long payments can be found by their labels, as declared; 0 if it is not."""

    attributes: Mapping[str, Type]
    entities: tuple[Entity, ...]
    features: tuple[Feature, ...]
    derived: tuple[Derived, ...]
    label_retention_ms: int = 0

    @property
    def stages(self) -> tuple[Entity, ...]:
        """The entities that have a stage: the first, and those with a feature."""
        used = {feature.entity for feature in self.features}
        return tuple(entity for i, entity in enumerate(self.entities) if i == 0 or entity.name in used)

    @property
    def payment_symbols(self) -> Symbols:
        """The type of every payment field and attribute: what a filter may read."""
        return {**PAYMENT_FIELDS, **{f"attributes.{name}": type_ for name, type_ in self.attributes.items()}}

    @property
    def symbols(self) -> Symbols:
        """The type of every name that a rule may use."""
        features = {feature.name: feature.type for feature in self.features}
        return {**self.payment_symbols, **features, **{derived.name: derived.type for derived in self.derived}}


def held_by_pane(entity: Entity, feature: Feature) -> bool:
    """Whether panes answer the feature beyond the ring: it can be kept by pane, in panes no wider than its window."""
    return (
        entity.panes > 0
        and REGISTRY[feature.aggregate].panes is not None
        and feature.same is None
        and feature.window_ms >= entity.pane_ms
    )


def fields_of(feature: Feature) -> tuple[str, ...]:
    """The payment fields whose codes slots must hold for the feature: those of `same` and, by the aggregate, `of`."""
    of = REGISTRY[feature.aggregate].operand.field(feature.of)
    return tuple(name for name in (feature.same, of) if name is not None)
