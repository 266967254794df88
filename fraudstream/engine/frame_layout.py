"""Which rows the frames of an engine have: the columns that its features, rules and score read, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fraudstream.engine.entity_key import Key, number_parts, text_parts
from fraudstream.engine.expression import PAYMENT_FIELDS, Symbols, Type
from fraudstream.engine.frame import FrameLayout
from fraudstream.engine.learned_score.scorer import evidence_parts
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import names_read

EVENT_ID, ACCOUNT_ID = "event_id", "account_id"  # the first two of `FrameLayout.spans`


def update_layout(plans: Sequence[EntityPlan], next_key: Key, symbols: Symbols) -> FrameLayout:
    """The layout of a stage that forwards. `plans`: of the entities up to this stage; `next_key`: the key of the next
    stage's entity; `symbols`: the types of fields and attributes."""
    features = [feature.name for plan in plans for feature in plan.features]
    read = _read_by_plans(plans).union(number_parts([next_key]))
    return _layout(features, read, text_parts([*_keys(plans), next_key]), symbols)


def verdict_layout(plans: Sequence[EntityPlan], rule_set: RuleSet) -> FrameLayout:
    """The layout of the stage that decides under `rule_set`. `plans`: of all entities."""
    catalogue = rule_set.catalogue
    features = [feature.name for plan in plans for feature in plan.features]
    features += [derived.name for derived in catalogue.derived]
    names = _read_by_plans(plans)
    for scorer in (rule_set.scorer, rule_set.base_score, *rule_set.challengers):
        names |= names_read(scorer)
    for derived in catalogue.derived:
        names |= derived.expression.names
    for rule in rule_set.rules:
        names |= rule.when.names
        names |= {name for name in rule.message.fields if catalogue.symbols.get(name) is not Type.TEXT}
    lists = [f"lists.{name}" for name in rule_set.lists]
    evidence = [evidence_row(part.name) for part in evidence_parts(rule_set.base_score)]
    keys = [*text_parts(_keys(plans)), *(declared.field for declared in rule_set.lists.values())]
    return _layout(features, names, keys, catalogue.symbols, [*lists, *evidence])


def evidence_row(part: str) -> str:
    """The name of the row of numbers that holds the value of a part of an evidence score."""
    return f"evidence of {part}"


def _read_by_plans(plans: Sequence[EntityPlan]) -> frozenset[str]:
    """The fields and attributes that the features of entities read, and the numbers in their keys."""
    names = set(number_parts(_keys(plans)))
    for plan in plans:
        names.update(plan.fields)
        if plan.uses_location:
            names.update(("lat", "lon"))
        for expression in plan.filters:
            names |= expression.names
    return frozenset(names)


def _keys(plans: Sequence[EntityPlan]) -> list[Key]:
    return [plan.entity.key for plan in plans]


def _layout(
    features: Sequence[str], read: Iterable[str], spans: Iterable[str], symbols: Symbols, others: Sequence[str] = ()
) -> FrameLayout:
    """`features`: those of the plans, then derived ones. `read`: names of any kind. `spans`: text fields. `others`:
    numbers that the deciding stage writes."""
    known = {*features, *others}
    fields = [name for name in (*PAYMENT_FIELDS, *sorted(symbols)) if name in set(read) - known]
    fields = list(dict.fromkeys(fields))
    numbers = [*features, *(name for name in fields if symbols[name] is not Type.TEXT), *others]
    texts = [EVENT_ID, *(name for name in fields if symbols[name] is Type.TEXT)]
    texts += [name for name in features if symbols.get(name) is Type.TEXT]
    return FrameLayout(
        numbers=tuple(numbers),
        texts=tuple(texts),
        spans=tuple(dict.fromkeys((EVENT_ID, ACCOUNT_ID, *spans))),
    )
