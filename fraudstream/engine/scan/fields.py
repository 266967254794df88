"""The members of one payment's JSON object, read one after the other. Compiled; called by `record`.

    {"event_id":"e-1","occurred_at":1767225600000,…,"attributes":{"name":true},…}
     ^ name, guessed: the field that followed the last one in the record before

Most publishers write all objects alike, so the name of the next field is compared with the one that came next before,
and searched for only where it differs. `follows` holds these guesses, by the field before and for `AT_START`, `AT_OPEN`
and `AT_CLOSE`. A guess for a place in the payment is always a field of the payment, and one among the attributes an
attribute. A wrong guess costs time alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import Float64Array, Int64Array, UInt8Array
from fraudstream.engine.scan.moment import moment_ms
from fraudstream.engine.scan.table_types import (
    AT_CLOSE,
    AT_OPEN,
    AT_START,
    CHARS_MAX,
    CHARS_MIN,
    FLAG,
    FOUR_DIGITS,
    IN_ATTRIBUTES,
    IN_PAYMENT,
    MOMENT,
    NULL,
    NUMBER,
    OBJECT,
    REQUIRED,
    TAKES,
    TEXT,
    TEXT_FORM,
    WHOLE,
    WORD,
    WORD_GROUPS,
    Tables,
)
from fraudstream.engine.scan.tokens import (
    CLOSE,
    COLON,
    COMMA,
    MINUS,
    NOT_PLAIN,
    OPEN,
    QUOTE,
    after_flag,
    after_null,
    after_space,
    byte_at,
    closing_quote,
    is_digit,
    read_number,
    unsigned,
)
from fraudstream.engine.scan.words import ABSENT, SIZE, find, stands_at

# Columns of `Fields.place`. RECORD: index of the record that the others are of; a field with another is missing. AT,
# LENGTH: its text; LENGTH 0 if it has none. INDEX: of its word.
RECORD, AT, LENGTH, INDEX, PLACE_COLUMNS = range(5)


class Fields(NamedTuple):
    """What was read of one record. `place`: int64, shape (fields, PLACE_COLUMNS). `value`: of a number, a flag (1 or 0)
    or a time (ms since the epoch), NaN for null; float64, shape (fields,)."""

    place: Int64Array
    value: Float64Array


@jit
def read_fields(
    buffer: UInt8Array, at: int, end: int, record: int, tables: Tables, follows: Int64Array, fields: Fields
) -> bool:
    """Read the object from its brace at `at` to its brace before `end` into `fields`. Returns whether it is plain and
    has the required fields."""
    states, group, required, members = tables.undeclared + 1, IN_PAYMENT, 0, 0
    state = states + AT_START
    at = after_space(buffer, at + 1, end)
    while byte_at(buffer, at) == QUOTE:
        field = follows[state]
        size = tables.words.entry[unsigned(field), SIZE]
        if at + size < end and stands_at(tables.words, field, buffer, at):
            at += size
        else:
            field, at = _searched(buffer, at, end, group, tables)
            if at == NOT_PLAIN:
                return False
            if field < tables.unknown:
                follows[state] = field
        row = unsigned(field)
        if field < tables.unknown and fields.place[row, RECORD] == record:  # a second time
            return False
        at = after_space(buffer, at, end)
        if byte_at(buffer, at) != COLON:
            return False
        at = after_space(buffer, at + 1, end)
        fields.place[row, RECORD] = record
        required += tables.rules.rule[row, REQUIRED]
        members += group
        state = field
        if byte_at(buffer, at) == OPEN and tables.rules.rule[row, TAKES] & OBJECT:
            at, group, state = after_space(buffer, at + 1, end), IN_ATTRIBUTES, states + AT_OPEN
            if byte_at(buffer, at) != CLOSE:
                continue
        else:
            at = _read_value(buffer, at, end, field, tables, fields)
            if at == NOT_PLAIN:
                return False
            at = after_space(buffer, at, end)
        if at < end and byte_at(buffer, at) == CLOSE and group == IN_ATTRIBUTES:
            at, group, state = after_space(buffer, at + 1, end), IN_PAYMENT, states + AT_CLOSE
        if at >= end:
            return False
        if byte_at(buffer, at) == CLOSE:
            complete = required == tables.required and members <= tables.limits.members_max
            return complete and group == IN_PAYMENT and at + 1 == end
        if byte_at(buffer, at) != COMMA:
            return False
        at = after_space(buffer, at + 1, end)
    return False


@jit
def _searched(buffer: UInt8Array, at: int, end: int, group: int, tables: Tables) -> tuple[int, int]:
    """The field whose name stands at `at`, and where the name ends, `NOT_PLAIN` if it is no plain one."""
    closing = closing_quote(buffer, at + 1, end)
    chars = closing - at - 1
    if closing == NOT_PLAIN:
        return ABSENT, NOT_PLAIN
    if group == IN_ATTRIBUTES and not (tables.limits.name_chars_min <= chars <= tables.limits.name_chars_max):
        return ABSENT, NOT_PLAIN
    field = find(tables.words, group, buffer, at, chars + 2)
    if field == ABSENT:
        field = tables.unknown if group == IN_PAYMENT else tables.undeclared
    return field, closing + 1


@jit
def _read_value(buffer: UInt8Array, at: int, end: int, field: int, tables: Tables, fields: Fields) -> int:
    """Read the value at `at`. Returns where it ends; `NOT_PLAIN` if it is no plain value that the field takes."""
    row, first = unsigned(field), byte_at(buffer, at)
    takes = tables.rules.rule[row, TAKES]
    if first == QUOTE:
        return _read_text(buffer, at, end, field, tables, fields) if takes & TEXT else NOT_PLAIN
    fields.place[row, LENGTH] = 0
    if is_digit(first) or first == MINUS:
        return _read_number(buffer, at, field, tables, fields)
    if takes & FLAG:
        after = after_flag(buffer, at)
        if after != NOT_PLAIN:
            fields.value[row] = 1.0 if after == at + 4 else 0.0
            return after
    if takes & NULL:
        fields.value[row] = np.nan
        return after_null(buffer, at)
    return NOT_PLAIN


@jit
def _read_text(buffer: UInt8Array, at: int, end: int, field: int, tables: Tables, fields: Fields) -> int:
    """As `_read_value`, of a text."""
    closing = closing_quote(buffer, at + 1, end)
    length = closing - at - 1
    row, rule = unsigned(field), tables.rules.rule
    if closing == NOT_PLAIN or not (rule[row, CHARS_MIN] <= length <= rule[row, CHARS_MAX]):
        return NOT_PLAIN
    fields.place[row, AT] = at + 1
    fields.place[row, LENGTH] = length
    text = rule[row, TEXT_FORM]
    if text == WORD:
        index = find(tables.words, WORD_GROUPS + field, buffer, at, length + 2)
        fields.place[row, INDEX] = index
        return closing + 1 if index != ABSENT else NOT_PLAIN
    if text == MOMENT:
        time = moment_ms(buffer, at + 1, closing)
        fields.value[row] = float(time)
        return closing + 1 if tables.limits.occurred_at_min_ms <= time < tables.limits.occurred_at_end_ms else NOT_PLAIN
    if text == FOUR_DIGITS:
        for k in range(at + 1, closing):
            if not is_digit(byte_at(buffer, k)):
                return NOT_PLAIN
    return closing + 1


@jit
def _read_number(buffer: UInt8Array, at: int, field: int, tables: Tables, fields: Fields) -> int:
    """As `_read_value`, of a number."""
    row = unsigned(field)
    value, whole, after = read_number(buffer, at, tables.power_of_ten)
    if after == NOT_PLAIN or not tables.rules.rule[row, TAKES] & (WHOLE | NUMBER if whole else NUMBER):
        return NOT_PLAIN
    if not (tables.rules.bounds[row, 0] <= value <= tables.rules.bounds[row, 1]):
        return NOT_PLAIN
    if tables.rules.rule[row, TEXT_FORM] == MOMENT and not _is_moment(value, tables):
        return NOT_PLAIN
    fields.value[row] = value
    return after


@jit
def _is_moment(value: float, tables: Tables) -> bool:
    """Whether a number is a time in ms, and does not look like one in seconds."""
    limits = tables.limits
    return limits.occurred_at_min_ms <= value < limits.occurred_at_end_ms and not (
        limits.seconds_min <= value < limits.seconds_end
    )
