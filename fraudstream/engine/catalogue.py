"""The feature catalogue: which features of an account (a device, a merchant, …) are known when a payment is decided.

`parse_catalogue` reads `features.yaml`. A catalogue gives the type of each name in expressions; `plan` compiles it to
the numbers that the kernel reads. Which aggregates exist, and what each accepts, is in `aggregates.registry`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fraudstream.contracts.duration import UNITS_MS, parse_duration
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import KEYS
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.arena import FIELDS_MAX, FILTER_BITS
from fraudstream.engine.document import DocumentErrors, Node, read_document
from fraudstream.engine.entity_key import KEY_PARTS, KEY_PARTS_MAX, OPTIONAL, Key
from fraudstream.engine.expression import (
    PAYMENT_DOMAINS,
    PAYMENT_FIELDS,
    Domains,
    Expression,
    ExpressionError,
    Symbols,
    Type,
    compile_expression,
    nearest,
)
from fraudstream.engine.recent_labels import RECENT_LABELS_MAX

WINDOW_MIN_MS, WINDOW_MAX_MS = UNITS_MS["m"], 90 * UNITS_MS["d"]
RETENTION_MAX_MS = 400 * UNITS_MS["d"]  # of the label index
SLOTS_MIN, SLOTS_MAX = 4, 4096
PANES_MAX = 128
FILTERS_MAX = FILTER_BITS
PRIOR_MIN, STRENGTH_MAX = 0.000_01, 10_000
# A ring with free slots keeps at least a day, so that repeats are detected and late payments can be ordered.
HORIZON_MIN_MS = UNITS_MS["d"]

_FEATURE_KEYS = (
    "aggregate",
    "of",
    "same",
    "window",
    "delay",
    "where",
    "includes",
    "precision",
    "prior",
    "strength",
    "last",
)
_ATTRIBUTE_TYPES = {"text": Type.TEXT, "number": Type.NUMBER, "bool": Type.BOOL}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ALL_ENTITIES = "all"  # the stage that has all entities


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


def parse_catalogue(text: str, path: str = "features.yaml", *, accepted: bool = False) -> Catalogue:
    """Read `features.yaml`. Raises `DocumentErrors` with every fault in it. `accepted`: as in `compile_rule_set`."""
    domains = None if accepted else PAYMENT_DOMAINS
    root = read_document(text, path)
    top = root.entries(
        "the catalogue", ("version", "attributes", "entities", "features", "labels"), required=("version", "entities")
    )
    if "version" in top and top["version"].word("version") != "1":
        top["version"].fault("this release reads catalogues of version 1.")
    attributes: dict[str, Type] = {}
    if "attributes" in top:
        for name, node in top["attributes"].entries("attributes").items():
            attributes[_named(name, node)] = _ATTRIBUTE_TYPES[
                node.choice(f"the type of attribute '{name}'", tuple(_ATTRIBUTE_TYPES))
            ]
    entities = _entities(top["entities"]) if "entities" in top else ()
    draft = Catalogue(attributes, entities, (), ())
    features: list[Feature] = []
    derived: list[Derived] = []
    if "features" in top:
        derivations: dict[str, Node] = {}
        for name, node in top["features"].entries("features").items():
            if "derive" in (entries := node.entries(f"feature '{name}'")):
                if len(entries) > 1 and not accepted:
                    node.fault(f"feature '{name}' is derived: it has no other key than 'derive'.")
                derivations[_named(name, node)] = entries["derive"]
            else:
                features += _feature(name, node, draft, domains)
        symbols = {**draft.payment_symbols, **{feature.name: feature.type for feature in features}}
        for name, node in derivations.items():
            for found in _derived(name, node, symbols, domains):
                derived.append(found)
                symbols[name] = found.type
        for entity in entities:
            _check_entity(entity, [feature for feature in features if feature.entity == entity.name], root)
    retention_ms = _label_retention(top["labels"]) if "labels" in top else 0
    if root.faults:
        raise DocumentErrors(root.faults)
    return Catalogue(attributes, entities, tuple(features), tuple(derived), retention_ms)


def _label_retention(node: Node) -> int:
    """How long payments can be found by their labels, in ms; 0 if it is not declared."""
    entries = node.entries("labels", ("retention",), required=("retention",))
    if "retention" not in entries:
        return 0
    return _duration(entries["retention"], "the retention of labels", UNITS_MS["d"], RETENTION_MAX_MS)


def _named(name: str, node: Node) -> str:
    """The name; a fault at `node` if it is not a valid one."""
    if not _NAME.fullmatch(name) or name in PAYMENT_FIELDS:
        node.fault(
            f"'{name[:70]}' can't be a name here: small letters, digits and '_', and not the name of a payment field."
        )
    return name


def _entities(node: Node) -> tuple[Entity, ...]:
    """The entities, in order; faults are added to the document's."""
    found: list[Entity] = []
    for name, entity_node in node.entries("entities").items():
        entries = entity_node.entries(f"entity '{name}'", ("key", "optional", "slots", "panes"), required=("key",))
        key = _key(name, entries) if "key" in entries else ("account_id",)
        slots = _whole(entries["slots"], "slots", SLOTS_MIN, SLOTS_MAX) if "slots" in entries else 64
        pane_ms, panes = UNITS_MS["d"], 0
        if "panes" in entries:
            pane = entries["panes"].entries("panes", ("width", "count"), required=("width", "count"))
            if len(pane) == 2:
                pane_ms = _duration(pane["width"], "the width of a pane", WINDOW_MIN_MS, WINDOW_MAX_MS)
                panes = _whole(pane["count"], "the count of panes", 2, PANES_MAX)
        if name == _ALL_ENTITIES:
            entity_node.fault(f"an entity can't be named '{name}', which means all of them.")
        found.append(Entity(_named(name, entity_node), key, slots, pane_ms, panes))
    if not found or found[0].key != ("account_id",):
        node.fault(
            "the first entity must have the key 'account_id': it finds duplicates and keeps the order of each account."
        )
    return tuple(found)


def _key(entity: str, entries: Mapping[str, Node]) -> Key:
    """The key of an entity: one part, or a list of them, of which some may be missing."""
    what, node = f"the key of entity '{entity}'", entries["key"]
    if node.is_word:
        parts = [node.choice(what, KEY_PARTS)]
    else:
        parts = [item.choice(f"a part of {what}", KEY_PARTS) for item in node.items(what)]
        if not 1 <= len(parts) <= KEY_PARTS_MAX or len(set(parts)) < len(parts):
            node.fault(f"{what} has {len(parts)} parts: it needs 1 to {KEY_PARTS_MAX}, each once.")
            return ("account_id",)
    optional: list[str] = []
    if "optional" in entries:
        optional = [item.choice("optional", parts) for item in entries["optional"].items("optional")]
    if len(set(optional)) == len(parts):
        entries["optional"].fault(f"{what} needs a part that is not optional.")
    return tuple(part + OPTIONAL if part in optional else part for part in parts)


def _derived(name: str, node: Node, symbols: Symbols, domains: Domains | None) -> list[Derived]:
    """The derived feature of an expression, or nothing if it has a fault."""
    types = (Type.BOOL, Type.NUMBER, Type.MONEY, Type.DURATION)
    try:
        expression = compile_expression(node.source[0], symbols, types, node.source[1], None, domains)
    except ExpressionError as error:
        node.faults.extend(error.faults)
        return []
    return [Derived(name, expression.type, expression)]


def _feature(name: str, node: Node, draft: Catalogue, domains: Domains | None) -> list[Feature]:
    """The feature of an entry, or nothing if it has faults."""
    entries = node.entries(f"feature '{name}'", _FEATURE_KEYS, required=("aggregate",))
    entity, _, short = name.partition(".")
    names = [found.name for found in draft.entities]
    if entity not in names:
        node.fault(
            f"'{name}' belongs to no entity.{nearest(entity, names)} Name it entity.feature; entities: "
            f"{', '.join(names)}."
        )
        return []
    _named(short, node)
    if "aggregate" not in entries:
        return []
    before = len(node.faults)
    aggregate = REGISTRY[entries["aggregate"].choice("aggregate", tuple(REGISTRY))]
    of = _of(aggregate, entries, node)
    same = _same(aggregate, entries)
    window_ms, delay_ms = _window(aggregate, entries, node), _delay(aggregate, entries)
    where = _where(aggregate, entries, draft.payment_symbols, domains)
    includes = entries["includes"].choice("includes", ("true", "false")) == "true" if "includes" in entries else True
    exact = entries["precision"].choice("precision", ("exact", "pane")) == "exact" if "precision" in entries else True
    if not exact and (aggregate.panes is None or same is not None):
        entries["precision"].fault(
            f"'{aggregate.name}'{' with same' if same else ''} can't be kept by pane. Use exact."
        )
    prior, strength = _prior(aggregate, entries)
    last = _last(aggregate, entries, node)
    if len(node.faults) > before:
        return []
    type_ = aggregate.type
    return [
        Feature(
            name,
            entity,
            aggregate.name,
            type_,
            of,
            same,
            window_ms,
            delay_ms,
            where,
            includes,
            exact,
            prior,
            strength,
            last,
        )
    ]


def _of(aggregate: Aggregate, entries: Mapping[str, Node], node: Node) -> str | None:
    """What the aggregate is computed of; None if it has no operand."""
    choices = aggregate.operand.choices
    if not choices:
        if "of" in entries:
            entries["of"].fault(f"'{aggregate.name}' takes no 'of'.")
        return None
    if "of" not in entries:
        if len(choices) > 1:
            node.fault(f"'{aggregate.name}' needs an operand, such as of: {choices[0]}.")
        return choices[0]
    return entries["of"].choice("of", choices)


def _same(aggregate: Aggregate, entries: Mapping[str, Node]) -> str | None:
    """The field in which payments must agree, if any."""
    if "same" not in entries:
        return None
    if not aggregate.takes_same:
        entries["same"].fault(f"'{aggregate.name}' takes no 'same'.")
    return entries["same"].choice("same", KEYS)


def _window(aggregate: Aggregate, entries: Mapping[str, Node], node: Node) -> int:
    """The window in ms; 0 for an aggregate without one."""
    if not aggregate.windowed:
        if "window" in entries:
            entries["window"].fault(f"'{aggregate.name}' takes no window.")
        return 0
    if "window" not in entries:
        node.fault(f"'{aggregate.name}' needs a window, from 1m to 90d: window: 24h.")
        return 0
    return _duration(entries["window"], "a window", WINDOW_MIN_MS, WINDOW_MAX_MS)


def _delay(aggregate: Aggregate, entries: Mapping[str, Node]) -> int:
    """The delay in ms; 0 for none."""
    if "delay" not in entries:
        return 0
    if not aggregate.takes_delay:
        entries["delay"].fault(f"'{aggregate.name}' takes no delay.")
        return 0
    return _duration(entries["delay"], "a delay", 0, WINDOW_MAX_MS)


def _last(aggregate: Aggregate, entries: Mapping[str, Node], node: Node) -> int | None:
    """How many labelled payments the aggregate looks at; None if it takes no `last`."""
    if not aggregate.keeps_recent_labels:
        if "last" in entries:
            entries["last"].fault(f"'{aggregate.name}' takes no 'last'.")
        return None
    if "last" not in entries:
        node.fault(f"'{aggregate.name}' needs 'last', from 1 to {RECENT_LABELS_MAX}: last: 5.")
        return None
    return _whole(entries["last"], "last", 1, RECENT_LABELS_MAX)


def _prior(aggregate: Aggregate, entries: Mapping[str, Node]) -> tuple[float | None, int | None]:
    """What is expected before there are payments, and how many payments that weighs as much as."""
    if aggregate.prior is None:
        for key in ("prior", "strength"):
            if key in entries:
                entries[key].fault(f"'{aggregate.name}' takes no '{key}'.")
        return None, None
    prior, most, strength = aggregate.prior
    if "prior" in entries:
        prior = entries["prior"].number("prior")
        if not PRIOR_MIN <= prior <= most:
            entries["prior"].fault(f"prior must be from {PRIOR_MIN:g} to {most:g}.")
    if "strength" in entries:
        strength = _whole(entries["strength"], "strength", 1, STRENGTH_MAX)
    return prior, strength


def _where(
    aggregate: Aggregate, entries: Mapping[str, Node], symbols: Symbols, domains: Domains | None
) -> Expression | None:
    """The filter, if any."""
    if "where" not in entries:
        return None
    node = entries["where"]
    if not aggregate.takes_where:
        node.fault(f"'{aggregate.name}' takes no 'where'.")
        return None
    try:
        return compile_expression(node.word("where"), symbols, Type.BOOL, node.origin, None, domains)
    except ExpressionError as error:
        node.faults.extend(error.faults)
        return None


def _check_entity(entity: Entity, features: list[Feature], root: Node) -> None:
    """Add a fault for each limit of rows or panes that the entity's features together exceed."""
    filters = {feature.where.source for feature in features if feature.where is not None}
    if len(filters) > FILTERS_MAX:
        root.fault(
            f"entity '{entity.name}' has {len(filters)} different filters (where); at most {FILTERS_MAX} are allowed."
        )
    fields = {name for feature in features for name in fields_of(feature)}
    if len(fields) > FIELDS_MAX:
        root.fault(
            f"entity '{entity.name}' reads {len(fields)} payment fields (of, same); at most {FIELDS_MAX} are allowed."
        )
    reach = max(
        (feature.window_ms + feature.delay_ms for feature in features if held_by_pane(entity, feature)), default=0
    )
    if reach and entity.pane_ms * (entity.panes - 1) < reach:
        root.fault(
            f"the panes of entity '{entity.name}' reach back "
            f"{entity.pane_ms * (entity.panes - 1) // UNITS_MS['h']} h, its longest window "
            f"{reach // UNITS_MS['h']} h. Raise the width or the count of its panes."
        )
    for feature in features:
        if not feature.exact and not held_by_pane(entity, feature):
            root.fault(
                f"'{feature.name}' is to be kept by pane, but entity '{entity.name}' has no panes narrower than its "
                "window."
            )


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


def _whole(node: Node, what: str, least: int, most: int) -> int:
    """A whole number in [least, most]; `least` and a fault if it is not one."""
    value = node.number(what)
    if value != int(value) or not least <= value <= most:
        node.fault(f"{what} must be a whole number from {least} to {most}.")
        return least
    return int(value)


def _duration(node: Node, what: str, least_ms: int, most_ms: int) -> int:
    """A duration in [least_ms, most_ms], in ms; `least_ms` and a fault if it is not one."""
    try:
        value = parse_duration(node.word(what))
    except ValueError as error:
        node.fault(f"{what}: {error}")
        return least_ms
    if not least_ms <= value <= most_ms:
        node.fault(f"{what} must be from {least_ms // UNITS_MS['m']}m to {most_ms // UNITS_MS['d']}d.")
        return least_ms
    return value
