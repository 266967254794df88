"""Whether a change of a contract's JSON Schema would break what others have written, or read.

- Events that others write (payments, labels, case actions): what was valid must stay valid.
- Events that others read (decisions): what we write must be valid for a reader with the released schema.
- All others are kept in topics and read by us as well: both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_WRITTEN_BY_OTHERS: Final = frozenset({"payment", "label", "case-action"})
_READ_BY_OTHERS: Final = frozenset({"decision", "unjudged-decision"})
_LOWER: Final = ("minimum", "minLength", "minItems", "minProperties", "exclusiveMinimum")
_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties", "exclusiveMaximum")
_Schema = Mapping[str, Any]
_Seen = frozenset[tuple[int, int]]


def incompatibilities(released: Mapping[str, _Schema], current: Mapping[str, _Schema]) -> Iterator[str]:
    """Why `current` schemas, by contract, are not compatible with the `released` ones, a sentence each.

    >>> old = {"label": {"type": "object", "properties": {"event_id": {"type": "string"}}, "required": []}}
    >>> list(incompatibilities(old, {"label": old["label"] | {"required": ["event_id"]}}))
    ['label $.event_id: was optional, and is required: what publishers write would be refused.']
    """
    for name, before in released.items():
        after = current.get(name)
        if after is None:
            yield f"{name}: the contract is gone."
            continue
        if name not in _READ_BY_OTHERS:
            for path, fault in _narrowings(_Pair(before, after, backward=True), before, after, "$", frozenset()):
                yield f"{name} {path}: {fault}: what publishers write would be refused."
        if name not in _WRITTEN_BY_OTHERS:
            for path, fault in _narrowings(_Pair(after, before, backward=False), after, before, "$", frozenset()):
                yield f"{name} {path}: {_REVERSED.get(fault, fault)}: readers of the released schema would refuse it."


_REQUIRED: Final = "was optional, and is required"
_REVERSED: Final = {_REQUIRED: "was required, and is optional"}


class _Pair:
    """Two whole schemas, in which references are looked up. `backward`: the first is the released one."""

    def __init__(self, one: _Schema, other: _Schema, *, backward: bool) -> None:
        self._one, self._other, self.backward = one, other, backward

    def resolved(self, one: _Schema, other: _Schema) -> tuple[_Schema, _Schema]:
        return _resolved(self._one, one), _resolved(self._other, other)


def _resolved(root: _Schema, schema: _Schema) -> _Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _narrowings(pair: _Pair, one: _Schema, other: _Schema, path: str, seen: _Seen) -> Iterator[tuple[str, str]]:
    """Why a document that is valid by `one` may be invalid by `other`: path and fault. Fields that only `other` has are
    new ones: nobody has written them."""
    one, other = pair.resolved(one, other)
    key = (id(one), id(other))
    if key in seen:
        return
    seen |= {key}
    choices, allowed = one.get("anyOf", [one]), other.get("anyOf", [other])
    if "anyOf" in one or "anyOf" in other:
        for choice in choices:
            if not any(not list(_narrowings(pair, choice, each, path, seen)) for each in allowed):
                yield path, "has a form less than it had"
        return
    yield from ((path, fault) for fault in _value_faults(one, other))
    missing = set(other.get("required", ())) - set(one.get("required", ()))
    yield from ((f"{path}.{name}", _REQUIRED) for name in sorted(missing))
    ours, theirs = one.get("properties", {}), other.get("properties", {})
    for name in ours.keys() & theirs.keys():
        yield from _narrowings(pair, ours[name], theirs[name], f"{path}.{name}", seen)
    if pair.backward:  # a reader leaves out what it does not know
        yield from ((f"{path}.{name}", "is gone") for name in sorted(ours.keys() - theirs.keys()))
    for index, (item, due) in enumerate(zip(one.get("prefixItems", ()), other.get("prefixItems", ()), strict=False)):
        yield from _narrowings(pair, item, due, f"{path}[{index}]", seen)
    for keyword, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(one.get(keyword), dict) and isinstance(other.get(keyword), dict):
            yield from _narrowings(pair, one[keyword], other[keyword], path + suffix, seen)


def _value_faults(one: _Schema, other: _Schema) -> Iterator[str]:
    """Why a value that is valid by `one` may be invalid by `other`, but for what is in it."""
    if not _types(one) <= _types(other):
        yield f"is {_words(_types(other))} where it was {_words(_types(one))}"
    due = other.get("enum", [other["const"]] if "const" in other else None)
    words = one.get("enum", [one["const"]] if "const" in one else None)
    if due is not None and (words is None or not set(words) <= set(due)):
        lost = sorted(map(str, set(words) - set(due))) if words is not None else []
        yield f"has no {', '.join(lost)}" if lost else "has a list of words where any text was valid"
    for keyword in _LOWER:
        if keyword in other and other[keyword] > one.get(keyword, float("-inf")):
            yield f"has a higher {keyword}"
    for keyword in _UPPER:
        if keyword in other and other[keyword] < one.get(keyword, float("inf")):
            yield f"has a lower {keyword}"
    if "pattern" in other and other["pattern"] != one.get("pattern"):
        yield "has another pattern"


def _types(schema: _Schema) -> frozenset[str]:
    found = schema.get("type")
    if found is None:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        every = ("string", "number", "integer", "boolean", "null", "array", "object")
        return frozenset(every) if values is None else frozenset({"string"})
    types = {found} if isinstance(found, str) else set(found)
    return frozenset(types | ({"integer"} if "number" in types else set()))


def _words(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
