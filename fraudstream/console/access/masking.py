"""How identifiers of people are shown: `••••1234`, unless the visitor may see them. The one place that decides.

A case, and its reasons as a page arranges them, are masked before the page is made of them: identifiers where they
stand alone, and wherever they stand in another text, such as the message of a rule or a note. So a place of a template
cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from fraudstream.console.access.identifier_words import without_numbers
from fraudstream.console.access.references import PSEUDONYM_START
from fraudstream.contracts import Alert, AuditEvent, Case
from fraudstream.contracts.payment_identifiers import DOTS, IDENTIFIERS, identifiers_of, masked

_WRITTEN: Final = frozenset(("text", "reason", "note", "file_name"))  # fields that hold what a person wrote
IN_TEXT_CHARACTERS_MIN: Final = 4  # shorter ones are masked where they stand alone

# Texts that are no identifiers of people, and by which pages find things: never changed, whatever they hold.
_KEPT: Final = frozenset(
    (
        *("case_id", "alert_id", "rule_id", "rule", "rules", "rule_set", "typology", "typologies", "queue"),
        *("channels", "partners"),
        *("event_id", "event_ids", "amount", "currency", "amount_totals", "actor", "assignee", "closed_by", "unit"),
        *("links", "escalated_to", "escalate_to", "amount_at_risk", "amount_before_split"),
        *("merged_into", "split_from", "tags"),
        *("sha256", "media_type", "attached_by"),
    )
)
_SEVERAL: Final = "other_accounts"  # a tuple of identifiers
__all__ = ["DOTS", "Masking", "masked", "masking_of"]
T = TypeVar("T")


class Masking:
    """How identifiers are shown on one page. `visible`: as they are. `known`: identifiers to look for in texts."""

    def __init__(self, visible: bool, known: Iterable[str] = ()) -> None:
        self.visible = visible
        long_first = sorted(set(known), key=len, reverse=True)
        self._known: Mapping[str, str] = {each: masked(each) for each in long_first}
        self._by_start: dict[str, list[str]] = {}
        for each in long_first:
            if len(each) >= IN_TEXT_CHARACTERS_MIN:
                self._by_start.setdefault(each[:IN_TEXT_CHARACTERS_MIN], []).append(each)
        self._texts: dict[str, str] = {}  # alerts of a case repeat each other

    def identifier(self, value: str) -> str:
        """An identifier, as it is shown."""
        return value if self.visible else masked(value)

    def text(self, text: str) -> str:
        """A text, as it is shown: known identifiers in it are masked, and numbers of cards and accounts."""
        if self.visible:
            return text
        if (shown := self._known.get(text) or self._texts.get(text)) is None:
            shown = self._texts[text] = self._replaced(text)
        return shown

    def written(self, text: str) -> str:
        """A text that a person wrote, as it is shown: other long numbers in it are masked as well."""
        return text if self.visible else without_numbers(self.text(text), masked, all_long=True)

    def shown(self, value: T) -> T:
        """A struct or named tuple, and what it is made of, with every text and identifier as it is shown."""
        return value if self.visible else self._applied(value)

    def event(self, event: AuditEvent) -> AuditEvent:
        """An audit event: the id of an account, and what was searched for, as they are shown."""
        if self.visible:
            return event
        kind, _, name = (event.object or "").partition(":")
        is_named = kind in ("account", "device", "counterparty", "ip") and not name.startswith(PSEUDONYM_START)
        object_shown = f"{kind}:{masked(name)}" if is_named else event.object
        detail = masked(event.detail) if event.action == "search" and event.detail is not None else event.detail
        return msgspec.structs.replace(event, object=object_shown, detail=detail)

    def _replaced(self, text: str) -> str:
        # A case may know a thousand identifiers: only those are tried whose first characters the text has.
        starts = {text[at : at + IN_TEXT_CHARACTERS_MIN] for at in range(len(text) - IN_TEXT_CHARACTERS_MIN + 1)}
        found = [each for start in starts & self._by_start.keys() for each in self._by_start[start]]
        for each in sorted(found, key=len, reverse=True):
            text = text.replace(each, self._known[each])
        return without_numbers(text, masked, all_long=False)

    def _applied(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case msgspec.Struct() | tuple() if names := _changeable(value.__class__):
                changed = {name: new for name in names if (new := self._field(name, value)) is not getattr(value, name)}
                return _with(value, changed) if changed else value
            case tuple():
                return tuple(map(self._applied, value))
            case dict():
                return {self.text(key): self._applied(each) for key, each in value.items()}
            case _:
                return value

    def _field(self, name: str, holder: Any) -> Any:
        value = getattr(holder, name)
        if name in _KEPT and not _has_fields(value):
            return value
        if name in IDENTIFIERS and isinstance(value, str):
            return masked(value)
        if name in _WRITTEN and isinstance(value, str):
            return self.written(value)
        if name == _SEVERAL:
            return tuple(map(masked, value))
        return self._applied(value)


def masking_of(visible: bool, case: Case, alerts: Iterable[Alert]) -> Masking:
    """The masking of a case's page: it knows every identifier of the case and of its payments."""
    if visible:
        return Masking(visible=True)
    return Masking(False, {*case.accounts, *(each for alert in alerts for each in identifiers_of(alert.payment))})


def _with(holder: Any, changed: Mapping[str, Any]) -> Any:
    """The struct or named tuple with other values."""
    if isinstance(holder, msgspec.Struct):
        return msgspec.structs.replace(holder, **changed)
    return holder._replace(**changed)


def _has_fields(value: object) -> bool:
    """Whether it is a tuple of structs or named tuples: the rules of an alert, not the names of rules."""
    return isinstance(value, tuple) and any(_changeable(each.__class__) for each in value)


@cache
def _changeable(holder: Hashable) -> tuple[str, ...]:
    """The fields of a struct or named tuple that are not one of a few words: a page would look for those in vain. Empty
    for all other types."""
    names: tuple[str, ...] = getattr(holder, "__struct_fields__", ()) or getattr(holder, "_fields", ())
    hints = get_type_hints(holder) if names else {}
    return tuple(name for name in names if not _is_choice(hints[name]))


def _is_choice(hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return all(each is NoneType or _is_choice(each) for each in get_args(hint))
    return get_origin(hint) is Literal
