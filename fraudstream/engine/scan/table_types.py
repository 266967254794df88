"""The tables of the compiled scanner, and the numbers in them; `tables` makes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fraudstream.engine.arrays import Float64Array, Int64Array, UInt64Array
from fraudstream.engine.scan.words import Words

# What a field takes: a set of bits. WHOLE: a number without a point; NUMBER: any; OBJECT: the attributes.
TEXT, WHOLE, NUMBER, FLAG, NULL, OBJECT = 1, 2, 4, 8, 16, 32
# What a text must be. WORD: one of a set; FOUR_DIGITS; MONEY, SIGNED_MONEY: a decimal amount; MOMENT: a date and time.
FREE, WORD, FOUR_DIGITS, MONEY, SIGNED_MONEY, MOMENT = range(6)
# Groups in `Tables.words`: names of fields, names of attributes, and from WORD_GROUPS on the words of each field.
IN_PAYMENT, IN_ATTRIBUTES, WORD_GROUPS = range(3)
# What comes before a field where no field does, as numbers after those of the fields: nothing, the brace that opens the
# attributes, the one that closes them.
AT_START, AT_OPEN, AT_CLOSE, STATES = range(4)


# Columns of `Rules.rule`. TAKES: bits such as TEXT. TEXT_FORM: FREE or another. CHARS_MIN, CHARS_MAX: bytes of a text.
# REQUIRED: 1 if a payment must have the field.
TAKES, TEXT_FORM, CHARS_MIN, CHARS_MAX, REQUIRED, RULE_COLUMNS = range(6)


class Rules(NamedTuple):
    """What each field takes. `rule`: int64, shape (fields, RULE_COLUMNS). `bounds`: least and greatest number; float64,
    shape (fields, 2)."""

    rule: Int64Array
    bounds: Float64Array


class Rows(NamedTuple):
    """Which field each row of a frame shows. `number`, `digest`, `span`: the row of `Frame.number`, `digest` and
    `text_at`, and the field; int64, shape (rows, 2). `hour`, `weekday`: the row of `Frame.number`, -1 if there is
    none."""

    number: Int64Array
    digest: Int64Array
    span: Int64Array
    hour: int
    weekday: int


class Limits(NamedTuple):
    """What is plain at most. `value_bytes_max`: of a record. `name_chars_…`, `members_max`: of attributes.
    `occurred_at_…`: of any time; `seconds_…`: of a number that looks like seconds; ends are outside."""

    value_bytes_max: int
    name_chars_min: int
    name_chars_max: int
    members_max: int
    occurred_at_min_ms: int
    occurred_at_end_ms: int
    seconds_min: int
    seconds_end: int


class Tables(NamedTuple):
    """All that the compiled scanner knows.

    `digest`: of each word, uint64; `currency`, `exponent`: the code and the decimals of each word that is a currency;
    int64; shape (words,). `money`: the fields that are amounts; int64. `power_of_ten`: 10**k for k up to 22; float64.
    `required`: how many fields are. `unknown`, `undeclared`: numbers of the two fields that stand for others;
    `occurred_at` and so on: of those fields. `low`, `high`: the key of digests.
    """

    words: Words
    rules: Rules
    rows: Rows
    digest: UInt64Array
    currency: Int64Array
    exponent: Int64Array
    money: Int64Array
    power_of_ten: Float64Array
    limits: Limits
    required: int
    unknown: int
    undeclared: int
    occurred_at: int
    account_id: int
    amount: int
    currency_field: int
    low: np.uint64
    high: np.uint64
