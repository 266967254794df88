"""What a model's inputs mean: the definition of each name, and how another rule set's definitions differ from it.

A model learned from values that one catalogue computed. Another window under the same name would still give numbers,
and wrong scores: so a model carries the definitions, and is refused where they differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any, cast

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.converter import AMOUNTS
from fraudstream.engine.expression import Expression, Type
from fraudstream.engine.scorer import Scorer
from fraudstream.engine.trees.model import InputType, ModelInput

SCORE = "score"  # the name of the rule set's own score as an input: a share of 1


class InputError(ValueError):
    """A name that no model can read."""


def model_inputs(
    names: Sequence[str], catalogue: Catalogue, score: Scorer, base: str | None = None
) -> tuple[ModelInput, ...]:
    """Inputs of a model under a rule set. `score`: of the rule set; `base`: the currency to which it converts amounts,
    None if it does not. Raises `InputError`."""
    return tuple(_input(name, catalogue, score, base) for name in names)


def difference(given: ModelInput, catalogue: Catalogue, score: Scorer, base: str | None = None) -> str | None:
    """How the meaning of an input differs from that of its name in a rule set, as a sentence; None if it does not.
    `score`, `base`: as of `model_inputs`."""
    try:
        here = _input(given.name, catalogue, score, base)
    except InputError as error:
        return str(error)
    if here == given:
        return None
    trained, found = json.loads(given.definition), json.loads(here.definition)
    keys = [key for key in sorted({*trained, *found}) if trained.get(key) != found.get(key)]
    changes = "; ".join(f"{key} was {_text(trained.get(key))}, here {_text(found.get(key))}" for key in keys)
    return f"'{given.name}' has another definition than in training: {changes or 'another type'}."


def _text(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


def _input(name: str, catalogue: Catalogue, score: Scorer, base: str | None) -> ModelInput:
    """The input of a name. Raises `InputError`."""
    if name == SCORE and SCORE not in catalogue.symbols:
        if not score.inputs:
            raise InputError("the input 'score' needs a score: the rule set has no score.yaml.")
        digest = blake2b(_canonical(score.digest_content).encode(), digest_size=16).hexdigest()
        return ModelInput(name, "NUMBER", _canonical({"score": digest}))
    type_ = catalogue.symbols.get(name)
    if type_ is None:
        raise InputError(f"there is no field or feature '{name}'.{nearest(name, catalogue.symbols)}")
    if type_ is Type.TEXT:
        raise InputError(
            f"'{name}' is a text, which no tree compares. Declare what matters of it: {{derive: {name} == …}}."
        )
    definition = dict(_definition(name, catalogue))
    if base is not None and _reads_amounts(name, catalogue):
        definition["base"] = base
    return ModelInput(name, cast(InputType, type_.name), _canonical(definition))


def _reads_amounts(name: str, catalogue: Catalogue) -> bool:
    """Whether a value depends on the currency in which amounts are compared."""
    for feature in catalogue.features:
        if feature.name == name:
            entity = next(entity for entity in catalogue.entities if entity.name == feature.entity)
            of_amounts = REGISTRY[feature.aggregate].is_of_amounts or "amount_band" in entity.key
            return of_amounts or (feature.where is not None and not AMOUNTS.isdisjoint(feature.where.names))
    for derived in catalogue.derived:
        if derived.name == name:
            return any(_reads_amounts(read, catalogue) for read in derived.expression.names)
    return name in AMOUNTS


def _definition(name: str, catalogue: Catalogue) -> Mapping[str, Any]:
    """What a field, an attribute or a feature is, as plain data."""
    for feature in catalogue.features:
        if feature.name == name:
            entity = next(entity for entity in catalogue.entities if entity.name == feature.entity)
            content: dict[str, Any] = _plain(feature)
            return content | {f"entity_{key}": value for key, value in _plain(entity).items()}
    for derived in catalogue.derived:
        if derived.name == name:
            known = {*(feature.name for feature in catalogue.features), *(other.name for other in catalogue.derived)}
            reads = {read: _definition(read, catalogue) for read in sorted(derived.expression.names & known)}
            return {"derive": derived.expression.source, "type": derived.type.name} | (
                {"reads": reads} if reads else {}
            )
    return {"field": name, "type": catalogue.symbols[name].name}


def _canonical(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(value: Any) -> Any:
    """Compiled parts as plain data: an expression becomes its text; what is None is left out."""
    if isinstance(value, Expression):
        return value.source
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        found = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        return {key: item for key, item in found.items() if item is not None}
    return value
