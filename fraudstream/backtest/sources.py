"""The sources of a payment's values in a mapping: a column of the file, a constant, or a template of columns.

Mappings are read with every YAML scalar as text, so the options that are numbers or booleans are converted from text.
"""

from __future__ import annotations

import re
import string
from typing import Annotated, Literal, NamedTuple

import msgspec

ROW = "row"  # in a template: the row number, counted from 1 after the header
SEPARATORS = ",.'\u2019 _\u00a0\u202f"  # characters that separate thousands somewhere

_PAD = re.compile(r"0?(\d{1,2})")


class TemplatePart(NamedTuple):
    """A piece of a template: `literal` text, then the value of column `name` (None: no column), padded with zeros to
    `pad` characters."""

    literal: str
    name: str | None
    pad: int


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The source of a value: exactly one of a `column`, a `constant`, or a `template` with columns in braces."""

    column: str | None = None
    constant: str | None = None
    template: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that this source reads."""
        if self.column is not None:
            return (self.column,)
        parts = template_parts(self.template or "")
        return tuple(part.name for part in parts if part.name is not None and part.name != ROW)


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values for a positive and a negative amount of the column; zero counts as positive."""

    positive: str
    negative: str


class TextSource(Source, frozen=True):
    """Source of a text field.

    `values`: translation of the column's values ('' = missing); `otherwise`: translation of all other values, without
    which an unlisted value is a fault. `starting_with`: values without this prefix are missing. `sign`: the value is
    derived from the sign of an amount column, read as the amount itself is. `pad`: left-pad with zeros to this length.
    `trim`: remove blanks around the value; `upper`: convert it to upper case; both before all else.
    """

    values: dict[str, str] | None = None
    otherwise: str | None = None
    starting_with: str | None = None
    sign: Sign | None = None
    pad: Annotated[int, msgspec.Meta(ge=0, le=128)] = 0
    trim: bool = False
    upper: bool = False

    @property
    def changes_text(self) -> bool:
        """Whether an option makes another text of the value."""
        return bool(self.trim or self.upper or self.pad or self.values is not None or self.starting_with is not None)


class TimeSource(Source, frozen=True):
    """Source of an event time: a timestamp column, text in ISO 8601 or `format` (strptime), or a count of `unit`.

    `since`: start of the count in ISO 8601, by default the Unix epoch. `zone`: IANA name of the zone of times that
    carry none, by default UTC. `fold`: which of two moments a local time means that occurs twice, as clocks are put
    back: 0 the first, 1 the second; without it such a time is a fault.
    """

    format: str | None = None
    unit: Literal["nanoseconds", "microseconds", "milliseconds", "seconds", "minutes", "hours", "days"] | None = None
    since: str | None = None
    zone: str | None = None
    fold: Literal["0", "1"] | None = None


class AmountSource(Source, frozen=True):
    """Source of an amount.

    `debit_column` and `credit_column`: in place of a column, two of which a row fills one; they give the direction too.
    `decimal`: the decimal separator, by default a point. `thousands`: the separator of groups of three digits. `scale`:
    what a whole number counts: `major` units, `minor` units of the payment's currency, or a fixed number of decimals.
    `strip`: characters to remove ('$€'), or a list of words to remove (['Rs.', 'EUR']). `signs`: words beside the
    number and the sign that each means ('CR': '-').
    `absolute`: drop the sign. `round`: round half to even to the currency's decimals; without it more decimals are a
    fault.
    """

    debit_column: str | None = None
    credit_column: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: str | None = None
    scale: Literal["major", "minor", "0", "1", "2", "3", "4"] | None = None
    strip: str | tuple[str, ...] = ""
    signs: dict[str, Literal["+", "-"]] | None = None
    absolute: bool = False
    round: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that this source reads."""
        if self.debit_column is not None and self.credit_column is not None:
            return (self.debit_column, self.credit_column)
        return super().columns

    @property
    def decimal_separator(self) -> str:
        """The decimal separator: `decimal`, by default a point."""
        return self.decimal or "."

    @property
    def stripped_characters(self) -> str:
        """The single characters that `strip` removes."""
        return self.strip if isinstance(self.strip, str) else "".join(word for word in self.strip if len(word) == 1)

    @property
    def stripped_words(self) -> tuple[str, ...]:
        """The words that `strip` removes, the longest first."""
        words = () if isinstance(self.strip, str) else (word for word in self.strip if len(word) > 1)
        return tuple(sorted(words, key=len, reverse=True))

    @property
    def gives_direction(self) -> bool:
        """Whether the amount is read from a debit column and a credit column."""
        return self.debit_column is not None

    @property
    def grouping(self) -> str:
        """The characters that may separate thousands: `thousands`, and the separators that `strip` names."""
        separators = {*(self.thousands or ""), *(c for c in self.stripped_characters if c in SEPARATORS)}
        if separators & {" ", "\u00a0", "\u202f"}:  # a blank in one file is often a no-break space in the next
            separators |= {" ", "\u00a0", "\u202f"}
        if separators & {"'", "\u2019"}:
            separators |= {"'", "\u2019"}
        return "".join(sorted(separators))


class AttributeSource(Source, frozen=True):
    """Source of an attribute, with the type of its values."""

    type: Literal["text", "number", "bool"] = "text"


class LabelSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The label column and its values for fraud, genuine and unlabelled. An empty value is unlabelled, unless '' is
    listed. `otherwise`: what all other values mean, without which an unlisted value is a fault. `typology`: column that
    names the kind of each fraud, for evaluations; a file may lack it. `reported_at`: when each label became known; a
    row without a time has its label after the delay that a command takes for all."""

    column: str
    fraud: tuple[str, ...]
    genuine: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    otherwise: Literal["fraud", "genuine", "unlabelled"] | None = None
    typology: str | None = None
    reported_at: TimeSource | None = None


class PaymentSources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source for each field of `contracts.Payment`. `direction` may be absent only where the amount gives it."""

    event_id: TextSource
    occurred_at: TimeSource
    account_id: TextSource
    amount: AmountSource
    currency: TextSource
    direction: TextSource | None = None
    kind: TextSource | None = None
    channel: TextSource | None = None
    partner_id: TextSource | None = None
    merchant_id: TextSource | None = None
    mcc: TextSource | None = None
    terminal_id: TextSource | None = None
    counterparty_id: TextSource | None = None
    counterparty_bank: TextSource | None = None
    device_id: TextSource | None = None
    ip: TextSource | None = None
    country: TextSource | None = None
    lat: TextSource | None = None
    lon: TextSource | None = None
    card_present: TextSource | None = None
    balance_before: AmountSource | None = None
    balance_after: AmountSource | None = None
    attributes: dict[str, AttributeSource] | None = None
    relates_to: TextSource | None = None


class RowCondition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"one_of": "in"}):
    """A condition on a column that a row must meet to be read; exactly one test. '' is an empty cell.

    `equals`, `not_equals`: one value. `in`, `not_in`: several. `starting_with`: a prefix. `matches`: a regular
    expression (RE2) somewhere in the value.
    """

    column: str
    equals: str | None = None
    not_equals: str | None = None
    one_of: tuple[str, ...] | None = None
    not_in: tuple[str, ...] | None = None
    starting_with: str | None = None
    matches: str | None = None


def template_parts(template: str) -> list[TemplatePart]:
    """The pieces of a template, in order. Raises `ValueError` for a template that cannot be read.

    >>> template_parts("{User}-{Card:03}")
    [TemplatePart(literal='', name='User', pad=0), TemplatePart(literal='-', name='Card', pad=3)]
    """
    parts = []
    for literal, name, spec, conversion in string.Formatter().parse(template):
        if name == "":
            raise ValueError("has braces without the name of a column.")
        width = _PAD.fullmatch(spec or "0")
        if conversion or width is None:
            raise ValueError(f"has {{{name}{'!' + conversion if conversion else ''}:{spec}}}; only :02 and such pad.")
        parts.append(TemplatePart(literal, name, int(width[1])))
    return parts
