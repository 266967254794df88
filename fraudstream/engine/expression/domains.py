"""The values that a name can have: of a payment field by its contract, of a feature by what it is computed of.

A comparison with a value outside them is a mistake: `country == "DEU"` or `lat > 200` holds for no payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from fraudstream.contracts.country import COUNTRIES, country_meant
from fraudstream.contracts.currency import AMOUNT_MINOR_MAX, EXPONENTS
from fraudstream.contracts.nearest_name import nearest
from fraudstream.contracts.payment import Payment
from fraudstream.engine.expression.types import PAYMENT_FIELDS, WORDS_OF, Type

ATTRIBUTE_CHARS_MAX: Final = 1_024


class Bounds(NamedTuple):
    """The lowest and the highest value of a quantity: a number, minor units of any currency, or ms."""

    least: float
    most: float


class WholeBounds(Bounds):
    """The same of a quantity that is always a whole number, such as a count."""


UNBOUNDED: Final = Bounds(-float("inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that a name can hold. `field`: the payment field by whose contract; `chars_max`: characters of each.

    `values`: all of them; None where any text of that length is one. `small`: in small letters.
    """

    field: str
    chars_max: int
    values: frozenset[str] | None = None
    small: bool = False

    def lowered(self) -> Texts:
        """The same texts in small letters; a letter may become several."""
        values = None if self.values is None else frozenset(value.lower() for value in self.values)
        return Texts(self.field, 3 * self.chars_max, values, small=True)


Domain = Bounds | Texts
Domains = Mapping[str, Domain]


def fault_of_text(name: str, domain: Texts, text: str) -> str | None:
    """Why a name with that domain never holds `text`, in a sentence with the nearest value; None if it may.

    >>> fault_of_text("currency", text_domain("currency"), "eur")
    "currency is never 'eur': it is a currency of ISO 4217, in capital letters. Nearest: 'EUR'."
    >>> fault_of_text("mcc", text_domain("mcc"), "541")
    "mcc is never '541': it is a merchant category of four digits. Nearest: '0541'."
    """
    if domain.small and text != text.lower():
        return f"{name} is never '{text}': lower() gives small letters. Write '{text.lower()}'."
    if domain.field == "ip" and "/" in text:
        return f"{name} is never a network. Write '{name} in_network \"{text}\"'."
    if domain.values is None:
        if len(text) <= domain.chars_max:
            return None
        return f"{name} is never a text of {len(text)} characters: it has at most {domain.chars_max}."
    if text in domain.values:
        return None
    return f"{name} is never '{text}'{_what_it_is(domain)}{_nearest_value(text, domain)}"


@cache
def text_domain(field: str) -> Texts:
    """The texts that a payment field can hold by its contract."""
    return Texts(field, _chars_max(field), _values(field))


def _payment_domains() -> dict[str, Domain]:
    found: dict[str, Domain] = {name: text_domain(name) for name, type_ in PAYMENT_FIELDS.items() if type_ is Type.TEXT}
    amount = float(AMOUNT_MINOR_MAX)
    found |= {"amount": Bounds(0, amount), "balance_before": Bounds(-amount, amount)}
    found |= {"balance_after": Bounds(-amount, amount), "hour": WholeBounds(0, 23), "weekday": WholeBounds(0, 6)}
    for name in ("lat", "lon"):
        of_field = _contract(name)
        assert isinstance(of_field, msgspec.inspect.FloatType), f"{name} is {of_field}"
        assert of_field.ge is not None, f"{name} has no least value"
        assert of_field.le is not None, f"{name} has no most value"
        found[name] = Bounds(of_field.ge, of_field.le)
    return found


@cache
def _contract_types() -> Mapping[str, msgspec.inspect.Type]:
    described = msgspec.inspect.type_info(Payment)
    assert isinstance(described, msgspec.inspect.StructType), "a payment is a struct"
    return {field.name: field.type for field in described.fields}


def _contract(field: str) -> msgspec.inspect.Type:
    """The type of a payment field in the contract, without its null."""
    found = _bare(_contract_types()[field])
    if isinstance(found, msgspec.inspect.UnionType):
        [found] = [_bare(member) for member in found.types if not isinstance(member, msgspec.inspect.NoneType)]
    return found


def _bare(type_: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """A type without what only its JSON Schema says."""
    return type_.type if isinstance(type_, msgspec.inspect.Metadata) else type_


def _chars_max(field: str) -> int:
    found = _contract(field)
    if isinstance(found, msgspec.inspect.LiteralType):
        return max(len(str(value)) for value in found.values)
    assert isinstance(found, msgspec.inspect.StrType), f"{field} is {found}"
    assert found.max_length is not None, f"{field} has no longest text"
    return found.max_length


def _values(field: str) -> frozenset[str] | None:
    if field in WORDS_OF:
        return frozenset(WORDS_OF[field])
    if field == "currency":
        return frozenset(EXPONENTS)
    if field == "country":
        return COUNTRIES
    if field == "mcc":
        return frozenset(f"{number:04d}" for number in range(10_000))
    return None


def _what_it_is(domain: Texts) -> str:
    match domain.field:
        case "currency":
            return ": it is a currency of ISO 4217, in capital letters."
        case "country":
            return ": it is a country of ISO 3166-1 alpha-2, two capital letters."
        case "mcc":
            return ": it is a merchant category of four digits."
        case field:
            return f"; it is one of {', '.join(WORDS_OF[field])}."


def _nearest_value(text: str, domain: Texts) -> str:
    values = domain.values or frozenset()
    if domain.field == "mcc":
        return f" Nearest: '{text:0>4}'." if text.isascii() and text.isdecimal() and len(text) < 4 else ""
    meant = country_meant(text) if domain.field == "country" else None
    for value in (meant, text.strip().upper(), text.strip().lower()):
        if value in values:
            return f" Nearest: '{value}'."
    return nearest(text.upper() if domain.field not in WORDS_OF else text.lower(), values)


PAYMENT_DOMAINS: Domains = MappingProxyType(_payment_domains())
