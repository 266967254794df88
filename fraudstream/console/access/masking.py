"""How identifiers of people are shown: `••••1234`, unless the visitor may see them. The one place that decides.

A whole case is masked before a page, or an answer of the API, is made of it: its identifiers where they stand alone,
and wherever they stand in another text, such as the message of a rule or a note. So what a page shows of a case cannot
be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from fraudstream.contracts import Alert, AuditEvent, Case, Payment

DOTS: Final = "••••"
IDENTIFIERS: Final = frozenset({"account_id", "counterparty_id", "device_id", "ip"})
IN_TEXT_CHARACTERS_MIN: Final = 4  # shorter ones are masked where they stand alone
_WHOLE_NUMBER_MIN: Final = 10_000_000  # an attribute from here on may be the number of an account or a card
_ENDS_SHOWN: Final = ((10, 4), (6, 2))  # so many characters at least: so many of the last ones are shown

# Texts that are no identifiers of people, and by which pages find things: never changed, whatever they hold.
_KEPT: Final = frozenset(
    ("case_id", "alert_id", "rule_id", "rule", "rules", "rule_set", "event_id", "assignee", "actor", "closed_by")
)
T = TypeVar("T")


def masked(value: str) -> str:
    """An identifier with its end alone.

    >>> masked("DE02120300000000202051"), masked("dev-8812"), masked("acc-1")
    ('••••2051', '••••12', '••••')
    """
    shown = next((count for characters, count in _ENDS_SHOWN if len(value) >= characters), 0)
    return DOTS + value[len(value) - shown :]


class Masking:
    """How identifiers are shown on one page. `visible`: as they are. `known`: identifiers to look for in texts."""

    def __init__(self, visible: bool, known: Iterable[str] = ()) -> None:
        self.visible = visible
        long_first = sorted(set(known), key=len, reverse=True)
        self._known: Mapping[str, str] = {each: masked(each) for each in long_first}
        self._in_texts = [each for each in long_first if len(each) >= IN_TEXT_CHARACTERS_MIN]

    def identifier(self, value: str) -> str:
        """An identifier, as it is shown."""
        return value if self.visible else masked(value)

    def text(self, text: str) -> str:
        """A text, as it is shown: known identifiers in it are masked."""
        if self.visible:
            return text
        if (whole := self._known.get(text)) is not None:
            return whole
        for each in self._in_texts:
            if each in text:
                text = text.replace(each, self._known[each])
        return text

    def struct(self, value: T) -> T:
        """A struct, or structs in tuples and mappings, with every text and identifier as it is shown."""
        return value if self.visible else self._applied(value)

    def event(self, event: AuditEvent) -> AuditEvent:
        """An audit event: the id of an account, and what was searched for, as they are shown."""
        if self.visible:
            return event
        kind, _, name = (event.object or "").partition(":")
        object_shown = f"{kind}:{masked(name)}" if kind in ("account", "device", "counterparty") else event.object
        detail = masked(event.detail) if event.action == "search" and event.detail is not None else event.detail
        return msgspec.structs.replace(event, object=object_shown, detail=detail)

    def _applied(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case msgspec.Struct():
                return msgspec.structs.replace(value, **dict(self._fields(value)))
            case tuple():
                return tuple(self._applied(each) for each in value)
            case dict():
                return {key: self._applied(each) for key, each in value.items()}
            case _:
                return value

    def _fields(self, struct: msgspec.Struct) -> Iterable[tuple[str, Any]]:
        for name in _changeable(type(struct)):
            value = getattr(struct, name)
            if (shown := self._field(name, value)) is not value:
                yield name, shown

    def _field(self, name: str, value: Any) -> Any:
        if name in _KEPT and not _has_structs(value):
            return value
        if name in IDENTIFIERS and isinstance(value, str):
            return masked(value)
        if name == "attributes" and isinstance(value, dict):
            return {self.text(key): _attribute(each) for key, each in value.items()}
        return self._applied(value)


def masking_of(visible: bool, case: Case, alerts: Iterable[Alert]) -> Masking:
    """The masking of a case's page: it knows every identifier of the case and of its payments."""
    if visible:
        return Masking(visible=True)
    return Masking(False, {case.account_id, *(each for alert in alerts for each in _identifiers(alert.payment))})


def _identifiers(payment: Payment) -> Iterable[str]:
    yield from (value for name in IDENTIFIERS if (value := getattr(payment, name)) is not None)
    yield from (value for value in (payment.attributes or {}).values() if isinstance(value, str))


def _attribute(value: object) -> object:
    """An attribute of a payment: nobody knows what a bank puts there, so texts and long numbers are masked."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return masked(str(value)) if isinstance(value, str) or abs(value) >= _WHOLE_NUMBER_MIN else value


@cache
def _changeable(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of a struct that are not one of a few words: a page would look for those in vain."""
    hints = get_type_hints(struct)
    return tuple(name for name in struct.__struct_fields__ if not _is_choice(hints[name]))


def _is_choice(hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return all(each is NoneType or _is_choice(each) for each in get_args(hint))
    return get_origin(hint) is Literal


def _has_structs(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(each, msgspec.Struct) for each in value)
