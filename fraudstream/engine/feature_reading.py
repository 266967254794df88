"""Reads one feature of `features.yaml`: an aggregate with its operand, window and filter, or a derived expression."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.operands import KEYS
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.bounded_values import read_duration, read_whole
from fraudstream.engine.catalogue import WINDOW_MAX_MS, WINDOW_MIN_MS, Catalogue, Derived, Feature
from fraudstream.engine.document import Node
from fraudstream.engine.expression import (
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

PRIOR_MIN, STRENGTH_MAX = 0.000_01, 10_000

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
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def checked_name(name: str, node: Node) -> str:
    """The name; a fault at `node` if it is not a valid one."""
    if not _NAME.fullmatch(name) or name in PAYMENT_FIELDS:
        node.fault(
            f"'{name[:70]}' can't be a name here: small letters, digits and '_', and not the name of a payment field."
        )
    return name


def read_derived(name: str, node: Node, symbols: Symbols, domains: Domains | None) -> list[Derived]:
    """The derived feature of an expression, or nothing if it has a fault."""
    types = (Type.BOOL, Type.NUMBER, Type.MONEY, Type.DURATION)
    try:
        expression = compile_expression(node.source[0], symbols, types, node.source[1], None, domains)
    except ExpressionError as error:
        node.faults.extend(error.faults)
        return []
    return [Derived(name, expression.type, expression)]


def read_feature(name: str, node: Node, draft: Catalogue, domains: Domains | None) -> list[Feature]:
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
    checked_name(short, node)
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
    return read_duration(entries["window"], "a window", WINDOW_MIN_MS, WINDOW_MAX_MS)


def _delay(aggregate: Aggregate, entries: Mapping[str, Node]) -> int:
    """The delay in ms; 0 for none."""
    if "delay" not in entries:
        return 0
    if not aggregate.takes_delay:
        entries["delay"].fault(f"'{aggregate.name}' takes no delay.")
        return 0
    return read_duration(entries["delay"], "a delay", 0, WINDOW_MAX_MS)


def _last(aggregate: Aggregate, entries: Mapping[str, Node], node: Node) -> int | None:
    """How many labelled payments the aggregate looks at; None if it takes no `last`."""
    if not aggregate.keeps_recent_labels:
        if "last" in entries:
            entries["last"].fault(f"'{aggregate.name}' takes no 'last'.")
        return None
    if "last" not in entries:
        node.fault(f"'{aggregate.name}' needs 'last', from 1 to {RECENT_LABELS_MAX}: last: 5.")
        return None
    return read_whole(entries["last"], "last", 1, RECENT_LABELS_MAX)


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
        strength = read_whole(entries["strength"], "strength", 1, STRENGTH_MAX)
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
