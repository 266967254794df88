"""Checks a mapping before a file is read: for options that contradict each other, and for values that no payment can
have."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.amount_columns import amounts_of_column, minor_units
from fraudstream.backtest.row_faults import RowFaults
from fraudstream.backtest.sources import (
    SEPARATORS,
    AmountSource,
    AttributeSource,
    LabelSource,
    RowCondition,
    Source,
    TextSource,
    TimeSource,
    template_parts,
)
from fraudstream.backtest.time_columns import event_times, long_format
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.fields import Channel, Direction, Kind
from fraudstream.contracts.nearest_name import nearest
from fraudstream.contracts.timestamps import iso_moment
from fraudstream.engine.contract_check import value_fault

CHOICES: dict[str, tuple[str, ...]] = {
    "direction": typing.get_args(Direction),
    "kind": typing.get_args(Kind),
    "channel": typing.get_args(Channel),
}
_WORDS = {**CHOICES, "card_present": ("true", "false"), "currency": tuple(EXPONENTS)}
_MINOR_UNITS = {"minor", "cent", "cents", "pence", "centimes", "centavos", "paise", "kopecks", "fils"}
_WITHOUT_SIGN = ("currency", "card_present", "lat", "lon")
_SIDES = ("CR", "DR", "CREDIT", "DEBIT")
_TESTS = ("equals", "not_equals", "one_of", "not_in", "starting_with", "matches")


def mapping_faults(
    sources: Sequence[tuple[str, Source]], label: LabelSource | None, conditions: Sequence[RowCondition]
) -> Iterator[str]:
    """Everything wrong, a sentence each. `sources`: field name and source of every mapped field."""
    by_field = dict(sources)
    currency = by_field["currency"].constant
    for field, source in sources:
        sentences = list(_origin_faults(source)) or list(_option_faults(field, source, currency))
        for sentence in sentences:
            yield f"payment.{field}: {sentence}"
    amount = by_field["amount"]
    assert isinstance(amount, AmountSource)
    if "direction" in by_field and amount.gives_direction:
        yield "payment.direction: the debit and credit columns of the amount give it. Remove one of them."
    if "direction" not in by_field and not amount.gives_direction:
        yield "payment.direction: is missing. Only an amount with debit_column and credit_column gives it."
    if label is not None:
        yield from _label_faults(label)
        if label.reported_at is not None:
            found = list(_origin_faults(label.reported_at)) or list(_time_faults(label.reported_at))
            yield from (f"label.reported_at: {sentence}" for sentence in found)
    for number, condition in enumerate(conditions, start=1):
        for sentence in _condition_faults(condition):
            yield f"where, condition {number}: {sentence}"


def _origin_faults(source: Source) -> Iterator[str]:
    """Faults in where a value comes from."""
    if isinstance(source, AmountSource) and (source.debit_column is not None or source.credit_column is not None):
        if source.debit_column is None or source.credit_column is None:
            yield "debit_column and credit_column must both be given."
        if source.column is not None or source.constant is not None or source.template is not None:
            yield "debit_column and credit_column exclude column, constant and template."
        return
    given = [name for name in ("column", "constant", "template") if getattr(source, name) is not None]
    if len(given) != 1:
        yield f"needs one of column, constant and template, has {' and '.join(given) or 'none'}."
    if source.template is not None:
        try:
            parts = template_parts(source.template)
        except ValueError as error:
            yield f"template {source.template!r}: {error}"
            return
        if not any(part.name for part in parts):
            yield f"template {source.template!r} has no column in braces."


def _option_faults(field: str, source: Source, currency: str | None) -> Iterator[str]:
    if isinstance(source, TimeSource):
        yield from _time_faults(source)
    elif isinstance(source, AmountSource):
        yield from _amount_faults(field, source, currency)
    elif isinstance(source, TextSource):
        yield from _text_faults(field, source)
    elif isinstance(source, AttributeSource) and source.constant is not None:
        if source.type == "number" and not _is_number(source.constant):
            yield f"{source.constant!r} is not a number."
        if source.type == "bool" and source.constant not in ("true", "false"):
            yield f"{source.constant!r} is neither true nor false."


def _time_faults(source: TimeSource) -> Iterator[str]:
    if source.since is not None and source.unit is None:
        yield "since needs a unit."
    if source.unit is not None and source.format is not None:
        yield "has both unit and format; give one of them."
    if source.format is not None:
        yield from _format_faults(source.format)
    zoned = False
    if source.since is not None:
        try:
            zoned = iso_moment(source.since).tzinfo is not None
        except ValueError:
            yield f"since is {source.since!r}, which is not a time in ISO 8601."
    if source.constant is not None and source.unit is None and source.format is None:
        faults = RowFaults(1)
        event_times(pa.array([source.constant]), msgspec.structs.replace(source, zone=None), faults.column(None))
        yield from (fault.sentence for fault in faults.found)
    if source.fold is not None and source.zone is None:
        yield "fold needs a zone."
    if source.zone is None:
        return
    if source.unit is not None and (source.since is None or zoned):
        yield "zone has no effect: counts from the epoch, or from a time with its offset, are UTC. Remove it."
    try:
        pc.assume_timezone(pa.array([0], pa.timestamp("ms")), source.zone)
    except pa.ArrowInvalid:
        yield f"zone {source.zone!r} is not known here. Give a name of the IANA time zone database: Europe/Berlin."


def _format_faults(format_: str) -> Iterator[str]:
    directives = re.findall(r"%(-?.?)", format_)
    if "Z" in directives:
        yield "format has %Z, but names of zones are ambiguous. Give offsets with %z, or times without and a `zone`."
    if unknown := sorted({*directives} - {*"aAbBdDeFfGHhIjmMnpRSTtuUVwWyYzZ%"}):
        yield f"format has %{unknown[0]}, which is not known. %d reads 3 and 03; %f reads fractions of a second."
    found = {*directives}
    if "I" in found and "p" not in found:
        yield "format has %I, hours to 12, without %p, which says morning or afternoon. Add %p, or use %H."
    if "p" in found and "I" not in found:
        yield "format has %p, morning or afternoon, which changes only hours to 12. Use %I in place of %H."
    parts = [directive for directive in re.findall(r"%(.)", long_format(format_)) if directive != "%"]
    if twice := sorted({part for part in parts if parts.count(part) > 1}):
        yield f"format has %{twice[0]} twice, so one of the two would not count. Map a column with one of them."
    lacking = _lacking(found | {*parts})
    if lacking is not None:
        yield f'format has no {lacking}. If it is in another column, join them: `template: "{{Date}} {{Time}}"`.'


def _lacking(directives: set[str]) -> str | None:
    """The part of a date that a format with these directives does not read; None if it reads a whole date."""
    if not directives & {*"yYG"}:
        return "year (%Y, or %y for two digits)"
    weekday = directives & {*"aAuw"}
    if "j" in directives or (weekday and directives & {*"UWV"}):
        return None
    if not directives & {*"mbBh"}:
        return "month (%m, or %b for its name)"
    return None if directives & {*"de"} else "day (%d)"


def _amount_faults(field: str, source: AmountSource, currency: str | None) -> Iterator[str]:
    if source.thousands is not None and (len(source.thousands) != 1 or source.thousands not in SEPARATORS):
        yield f"thousands is {source.thousands!r}; it must be one of a comma, a point, a blank, an apostrophe or '_'."
    point = source.decimal_separator
    if point in source.grouping:
        other = "," if point == "." else "."
        if isinstance(source.strip, str) and point in source.strip and source.strip.strip(point + " ").isalpha():
            yield f"strip has {point!r}, which separates decimals. Strip the word instead: `strip: ['{source.strip}']`."
            return
        yield (
            f"{point!r} separates decimals, so it can't be removed as well. Set `decimal: '{other}'` and "
            f"`thousands: '{point}'` for amounts like 1{point}234{other}56."
        )
    stripped = source.stripped_characters + "".join(source.stripped_words)
    if isinstance(source.strip, tuple) and "" in source.strip:
        yield "strip has an empty word. Remove it."
    if sides := [word for word in source.stripped_words if word.strip(" .").upper() in _SIDES]:
        yield f"strip has {sides[0]!r}, which says debit or credit. Set `signs: {{CR: '-', DR: '+'}}`, or the reverse."
    if wrong := sorted({*stripped} & {*"+-()0123456789\u2212"}):
        yield f"strip has {', '.join(map(repr, wrong))}, which change the amount. Signs are understood without it."
    for sign_word in source.signs or {}:
        if not sign_word or {*sign_word} & {*source.stripped_characters, *"0123456789.,"}:
            yield f"signs has {sign_word!r}, which must be a word of characters that strip does not remove."
    for column in source.columns if source.scale is None and source.template is None else ():
        if (word := _minor_word(column)) is not None:
            yield f"column {column!r} seems to count {word}. Set `scale: minor`, or `scale: major` if it does not."
    if source.template is not None and _touching(source.template):
        yield (
            f"template {source.template!r} joins columns without a character between, so two numbers would become one. "
            "For a debit and a credit column use debit_column and credit_column."
        )
    if source.constant is not None:
        yield from _constant_faults(field, source, currency)


def _constant_faults(field: str, source: AmountSource, currency: str | None) -> Iterator[str]:
    faults = RowFaults(1)
    numbers = amounts_of_column(pa.array([source.constant]), source, faults.column(None))
    if not faults.found and currency is not None and currency in EXPONENTS:
        minor_units(numbers, source, EXPONENTS[currency], currency, faults.column(None))
    for fault in faults.found:
        yield fault.sentence
    if source.constant == "":
        yield f"{field} can't be empty."


def _text_faults(field: str, source: TextSource) -> Iterator[str]:
    if source.otherwise is not None and source.values is None:
        yield "otherwise needs values."
    if source.sign is not None and source.column is None:
        yield "sign needs a column."
    if source.sign is not None and field in _WITHOUT_SIGN:
        yield "sign has no effect here. Use values."
    options = [name for name in ("values", "starting_with", "sign") if getattr(source, name) is not None]
    options += [name for name in ("pad", "trim", "upper") if getattr(source, name)]
    if source.constant is not None and options:
        yield f"{options[0]} has no effect on a constant. Remove it."
    if source.sign is not None and len(options) > 1:
        yield f"sign can't be combined with {', '.join(option for option in options if option != 'sign')}."
    results = [source.constant] if source.constant is not None else []
    results += [value for value in (source.values or {}).values() if value]
    results += [source.sign.positive, source.sign.negative] if source.sign else []
    results += [source.otherwise] if source.otherwise else []
    for value in results:
        if field in _WORDS and value not in _WORDS[field]:
            yield f"{value!r} is not a valid value.{nearest(value, _WORDS[field])}"
        elif field in ("lat", "lon") and not _is_number(value):
            yield f"{value!r} is not a number."
        elif field != "card_present":
            plain = float(value) if field in ("lat", "lon") else value
            if not source.pad and (fault := value_fault(field, plain)) is not None:
                yield fault


def _label_faults(label: LabelSource) -> Iterator[str]:
    meanings: dict[str, str] = {}
    for meaning in ("fraud", "genuine", "unlabelled"):
        for value in getattr(label, meaning):
            if meanings.setdefault(value, meaning) != meaning:
                yield f"label: {value!r} is listed as {meanings[value]} and as {meaning}."


def _condition_faults(condition: RowCondition) -> Iterator[str]:
    given = [name for name in _TESTS if getattr(condition, name) is not None]
    if len(given) != 1:
        known = "equals, not_equals, in, not_in, starting_with and matches"
        yield f"needs one of {known}, has {' and '.join(given).replace('one_of', 'in') or 'none'}."
    if condition.matches is not None:
        try:
            pc.match_substring_regex(pa.array([""]), condition.matches)
        except pa.ArrowInvalid as error:
            yield f"{condition.matches!r} is not a regular expression: {str(error).splitlines()[0]}."


def _minor_word(column: str) -> str | None:
    """The word in a column's name that says that it counts minor units.

    >>> _minor_word("amountInCents"), _minor_word("AMOUNT_MINOR"), _minor_word("percent"), _minor_word("centre")
    ('cents', 'minor units', None, None)
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", column)
    found = next((word.lower() for word in words if word.lower() in _MINOR_UNITS), None)
    return "minor units" if found == "minor" else found


def _touching(template: str) -> bool:
    """Whether a column follows another at once, and is not padded to a length of its own."""
    parts = [part for part in template_parts(template) if part.literal or part.name is not None]
    return any(a.name and b.name and not b.literal and not b.pad for a, b in pairwise(parts))


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False
