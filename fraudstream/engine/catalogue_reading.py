"""Reads `features.yaml`: attributes, entities, features, and how long labels find their payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.arena import FIELDS_MAX, FILTER_BITS
from fraudstream.engine.bounded_values import read_duration, read_whole
from fraudstream.engine.catalogue import (
    WINDOW_MAX_MS,
    WINDOW_MIN_MS,
    Catalogue,
    Derived,
    Entity,
    Feature,
    fields_of,
    held_by_pane,
)
from fraudstream.engine.document import DocumentErrors, Node, read_document
from fraudstream.engine.entity_key import ATTRIBUTE, KEY_PARTS, KEY_PARTS_MAX, OPTIONAL, Key
from fraudstream.engine.expression import PAYMENT_DOMAINS, Symbols, Type
from fraudstream.engine.feature_reading import checked_name, read_derived, read_feature

RETENTION_MAX_MS = 400 * UNITS_MS["d"]  # of the label index
SLOTS_MIN, SLOTS_MAX = 4, 4096
PANES_MAX = 128
FILTERS_MAX = FILTER_BITS

_ATTRIBUTE_TYPES = {"text": Type.TEXT, "number": Type.NUMBER, "bool": Type.BOOL}
_ALL_ENTITIES = "all"  # the stage that has all entities


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
            attributes[checked_name(name, node)] = _ATTRIBUTE_TYPES[
                node.choice(f"the type of attribute '{name}'", tuple(_ATTRIBUTE_TYPES))
            ]
    entities = _entities(top["entities"], attributes) if "entities" in top else ()
    draft = Catalogue(attributes, entities, (), ())
    features: list[Feature] = []
    derived: list[Derived] = []
    if "features" in top:
        derivations: dict[str, Node] = {}
        for name, node in top["features"].entries("features").items():
            if "derive" in (entries := node.entries(f"feature '{name}'")):
                if len(entries) > 1 and not accepted:
                    node.fault(f"feature '{name}' is derived: it has no other key than 'derive'.")
                derivations[checked_name(name, node)] = entries["derive"]
            else:
                features += read_feature(name, node, draft, domains)
        symbols = {**draft.payment_symbols, **{feature.name: feature.type for feature in features}}
        for name, node in derivations.items():
            for found in read_derived(name, node, symbols, domains):
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
    return read_duration(entries["retention"], "the retention of labels", UNITS_MS["d"], RETENTION_MAX_MS)


def _entities(node: Node, attributes: Symbols) -> tuple[Entity, ...]:
    """The entities, in order; faults are added to the document's. `attributes`: the declared ones with their types."""
    known = (*KEY_PARTS, *(ATTRIBUTE + name for name, type_ in attributes.items() if type_ is Type.TEXT))
    found: list[Entity] = []
    for name, entity_node in node.entries("entities").items():
        entries = entity_node.entries(f"entity '{name}'", ("key", "optional", "slots", "panes"), required=("key",))
        key = _key(name, entries, known) if "key" in entries else ("account_id",)
        slots = read_whole(entries["slots"], "slots", SLOTS_MIN, SLOTS_MAX) if "slots" in entries else 64
        pane_ms, panes = UNITS_MS["d"], 0
        if "panes" in entries:
            pane = entries["panes"].entries("panes", ("width", "count"), required=("width", "count"))
            if len(pane) == 2:
                pane_ms = read_duration(pane["width"], "the width of a pane", WINDOW_MIN_MS, WINDOW_MAX_MS)
                panes = read_whole(pane["count"], "the count of panes", 2, PANES_MAX)
        if name == _ALL_ENTITIES:
            entity_node.fault(f"an entity can't be named '{name}', which means all of them.")
        found.append(Entity(checked_name(name, entity_node), key, slots, pane_ms, panes))
    if not found or found[0].key != ("account_id",):
        node.fault(
            "the first entity must have the key 'account_id': it finds duplicates and keeps the order of each account."
        )
    return tuple(found)


def _key(entity: str, entries: Mapping[str, Node], known: Sequence[str]) -> Key:
    """The key of an entity: one part of those that are `known`, or a list of them, of which some may be missing."""
    what, node = f"the key of entity '{entity}'", entries["key"]
    if node.is_word:
        parts = [node.choice(what, known)]
    else:
        parts = [item.choice(f"a part of {what}", known) for item in node.items(what)]
        if not 1 <= len(parts) <= KEY_PARTS_MAX or len(set(parts)) < len(parts):
            node.fault(f"{what} has {len(parts)} parts: it needs 1 to {KEY_PARTS_MAX}, each once.")
            return ("account_id",)
    optional: list[str] = []
    if "optional" in entries:
        optional = [item.choice("optional", parts) for item in entries["optional"].items("optional")]
    if len(set(optional)) == len(parts):
        entries["optional"].fault(f"{what} needs a part that is not optional.")
    return tuple(part + OPTIONAL if part in optional else part for part in parts)


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
