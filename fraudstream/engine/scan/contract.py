"""What a plain payment may hold, read from the annotations of `Payment`.

A field with an annotation that the scanner has no check for raises `UnknownAnnotation` when this module is imported, so
the contract and the scanner cannot drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import inspect

from fraudstream.contracts.payment import Payment
from fraudstream.engine.expression import Symbols, Type
from fraudstream.engine.relation_columns import RELATIONS
from fraudstream.engine.scan.table_types import (
    FLAG,
    FOUR_DIGITS,
    FREE,
    MOMENT,
    MONEY,
    NULL,
    NUMBER,
    OBJECT,
    SIGNED_MONEY,
    TEXT,
    WHOLE,
    WORD,
)

_MOMENT_CHARS: Final = (len("2026-01-01T00:00:00Z"), len("2026-01-01T00:00:00.123456789+00:00"))
_UNLIMITED: Final = 1 << 62
_TEXT_OF_PATTERN: Final[Mapping[str | None, int]] = {
    None: FREE,
    r"^[^\u0000-\u001F\u007F-\u009F]*$": FREE,  # plain text holds no control characters
    r"^[0-9]{4}$": FOUR_DIGITS,
    r"^[0-9]+(\.[0-9]+)?$": MONEY,
    r"^-?[0-9]+(\.[0-9]+)?$": SIGNED_MONEY,
}
_NO_SIZES: Final = (None, None, None)


class UnknownAnnotation(TypeError):
    """The contract has a field of a kind that the scanner does not know."""


class Rule(NamedTuple):
    """What a field takes: bits such as TEXT. `text`: what a text of it must be, FREE or another; `chars`: least and
    most characters of it. `bounds`: least and greatest number. `words`: the texts that a WORD may be."""

    name: str
    takes: int
    required: bool = False
    text: int = FREE
    chars: tuple[int, int] = (0, _UNLIMITED)
    bounds: tuple[float, float] = (-math.inf, math.inf)
    words: tuple[str, ...] = ()


class AttributeRule(NamedTuple):
    """What attributes may be. `name_chars`: least and most characters of a name. `members`: how many. `value`: of one
    that the catalogue does not declare."""

    name_chars: tuple[int, int]
    members: int
    value: Rule


UNKNOWN: Final = Rule("", TEXT | NUMBER | FLAG | NULL)  # a field that the contract does not have, which is skipped


def rules_of(struct: type[msgspec.Struct]) -> tuple[tuple[Rule, ...], AttributeRule]:
    """The rules of the fields of `struct`, in its order, and that of its field of attributes.

    Raises `UnknownAnnotation`.
    """
    rules, attributes = [], None
    for field in _info(struct).fields:
        rule = Rule(field.encode_name, 0, required=field.required)
        for part in _parts(field.type):
            if isinstance(_bare(part), inspect.DictType):
                attributes = _attribute_rule(_bare(part), field.name)
                rule = rule._replace(takes=rule.takes | OBJECT)
            else:
                rule = _extended(rule, part)
        rules.append(rule)
    if attributes is None:
        raise UnknownAnnotation(f"{struct.__name__} has no field of attributes, which the scanner expects.")
    return tuple(rules), attributes


def declared_rules(attributes: Symbols) -> tuple[Rule, ...]:
    """The rules of the attributes that a catalogue declares, in its order."""
    kinds = {Type.TEXT: TEXT, Type.BOOL: FLAG}
    chars = ATTRIBUTES.value.chars
    return tuple(Rule(name, kinds.get(type_, NUMBER), chars=chars) for name, type_ in attributes.items())


def _info(struct: type[msgspec.Struct]) -> Any:
    return inspect.type_info(struct)


def _parts(type_: Any) -> tuple[Any, ...]:
    return type_.types if isinstance(type_, inspect.UnionType) else (type_,)


def _bare(type_: Any) -> Any:
    return type_.type if isinstance(type_, inspect.Metadata) else type_


def _extended(rule: Rule, annotated: Any) -> Rule:
    """The rule that also takes what `annotated`, a type of msgspec's, takes."""
    type_ = _bare(annotated)
    if isinstance(type_, inspect.UnionType):  # a union under a description
        for part in type_.types:
            rule = _extended(rule, part)
        return rule
    if isinstance(type_, inspect.NoneType):
        return rule._replace(takes=rule.takes | NULL)
    if isinstance(type_, inspect.BoolType):
        return rule._replace(takes=rule.takes | FLAG)
    if isinstance(type_, inspect.IntType) and (type_.ge, type_.le, *_other_limits(type_)) == (None, None, *_NO_SIZES):
        return rule._replace(takes=rule.takes | WHOLE)
    if isinstance(type_, inspect.FloatType) and _other_limits(type_) == _NO_SIZES:
        bounds = (-math.inf if type_.ge is None else type_.ge, math.inf if type_.le is None else type_.le)
        return rule._replace(takes=rule.takes | WHOLE | NUMBER, bounds=bounds)
    if isinstance(type_, inspect.DateTimeType) and type_.tz is True:
        return rule._replace(takes=rule.takes | TEXT, text=MOMENT, chars=_MOMENT_CHARS)
    if isinstance(type_, inspect.LiteralType):
        return _with_words(rule, type_.values)
    if isinstance(type_, inspect.StrType) and type_.pattern is None:
        schema = (annotated.extra_json_schema or {}) if annotated is not type_ else {}
        if "enum" in schema:
            return _with_words(rule, schema["enum"])
        if schema.get("pattern") in _TEXT_OF_PATTERN:
            chars = (type_.min_length or 0, _UNLIMITED if type_.max_length is None else type_.max_length)
            return rule._replace(takes=rule.takes | TEXT, text=_TEXT_OF_PATTERN[schema.get("pattern")], chars=chars)
    raise UnknownAnnotation(
        f"The field '{rule.name}' has the annotation {annotated}, for which engine/scan/contract.py has no rule. Add "
        "one, and values of it to tests/property/payment_texts.py."
    )


def _other_limits(type_: Any) -> tuple[Any, Any, Any]:
    return type_.gt, type_.lt, type_.multiple_of


def _with_words(rule: Rule, words: Any) -> Rule:
    """The rule of one of some words. Those of related payments are left out: such a payment is not plain."""
    plain = tuple(word for word in words if rule.name != "kind" or word not in RELATIONS)
    lengths = [len(word) for word in plain]
    return rule._replace(takes=rule.takes | TEXT, text=WORD, words=plain, chars=(min(lengths), max(lengths)))


def _attribute_rule(type_: Any, name: str) -> AttributeRule:
    key, value = _bare(type_.key_type), Rule("", 0)
    for part in _parts(type_.value_type):
        value = _extended(value, part)
    if not isinstance(key, inspect.StrType) or key.pattern is not None or type_.min_length or not type_.max_length:
        raise UnknownAnnotation(f"The field '{name}' is {type_}, for which engine/scan/contract.py has no rule.")
    return AttributeRule((key.min_length or 0, key.max_length or _UNLIMITED), type_.max_length, value)


PAYMENT, ATTRIBUTES = rules_of(Payment)
