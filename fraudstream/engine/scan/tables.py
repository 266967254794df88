"""The tables that direct the compiled scanner, made from the contract, a frame's layout and the declared attributes.

Fields are numbered: those of the contract in its order, then the declared attributes, then two that stand for all
fields without a number of their own, one in a payment and one among its attributes. The text of a word has its index in
`Tables.words`, in which the names of the fields come first, so that a field's number is its name's index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.columns import (
    OCCURRED_AT_END_MS,
    OCCURRED_AT_MIN_MS,
    SECONDS_END,
    SECONDS_MIN,
    currency_number,
)
from fraudstream.engine.decode import VALUE_BYTES_MAX
from fraudstream.engine.digest import DigestKey, digest_text
from fraudstream.engine.expression import Symbols
from fraudstream.engine.frame import FrameLayout
from fraudstream.engine.scan.contract import ATTRIBUTES, PAYMENT, UNKNOWN, Rule, declared_rules
from fraudstream.engine.scan.table_types import (
    IN_ATTRIBUTES,
    IN_PAYMENT,
    MONEY,
    SIGNED_MONEY,
    STATES,
    WORD_GROUPS,
    Limits,
    Rows,
    Rules,
    Tables,
)
from fraudstream.engine.scan.words import ABSENT, words_of

ATTRIBUTE_PREFIX: Final = "attributes."

_NO_NAME: Final = "\0"  # in place of a name: no plain text is like this
_POWERS_OF_TEN: Final = np.array([float(f"1e{k}") for k in range(23)])  # all exact
_FIELDS: Final = tuple(rule.name for rule in PAYMENT)
_CURRENCY_WORDS: Final = WORD_GROUPS + _FIELDS.index("currency")
_LIMITS: Final = Limits(
    value_bytes_max=VALUE_BYTES_MAX,
    name_chars_min=ATTRIBUTES.name_chars[0],
    name_chars_max=ATTRIBUTES.name_chars[1],
    members_max=ATTRIBUTES.members,
    occurred_at_min_ms=OCCURRED_AT_MIN_MS,
    occurred_at_end_ms=OCCURRED_AT_END_MS,
    seconds_min=SECONDS_MIN,
    seconds_end=SECONDS_END,
)


def make_tables(layout: FrameLayout, attributes: Symbols, key: DigestKey) -> Tables:
    """The tables of a scanner. Names of the layout that are neither a field nor a declared attribute are skipped."""
    declared = declared_rules(attributes)
    fields = (*PAYMENT, *declared, UNKNOWN, ATTRIBUTES.value)
    groups = (*(IN_PAYMENT for _ in PAYMENT), *(IN_ATTRIBUTES for _ in declared), IN_PAYMENT, IN_ATTRIBUTES)
    names = [(group, rule.name or _NO_NAME) for group, rule in zip(groups, fields, strict=True)]
    words = [(WORD_GROUPS + number, word) for number, rule in enumerate(fields) for word in rule.words]
    currencies = [EXPONENTS.get(word) if group == _CURRENCY_WORDS else None for group, word in words]
    unnamed = [0] * len(names)
    return Tables(
        words=words_of([*names, *words]),
        rules=_rules(fields),
        rows=_rows(layout, [*_FIELDS, *(ATTRIBUTE_PREFIX + rule.name for rule in declared)]),
        digest=np.array([*unnamed, *(digest_text(word, key) for _, word in words)], np.uint64),
        currency=np.array([*unnamed, *(currency_number(word) for _, word in words)], np.int64),
        exponent=np.array([*unnamed, *(exponent or 0 for exponent in currencies)], np.int64),
        money=np.array([number for number, rule in enumerate(fields) if rule.text in (MONEY, SIGNED_MONEY)], np.int64),
        power_of_ten=_POWERS_OF_TEN,
        limits=_LIMITS,
        required=sum(rule.required for rule in PAYMENT),
        unknown=len(fields) - 2,
        undeclared=len(fields) - 1,
        occurred_at=_FIELDS.index("occurred_at"),
        account_id=_FIELDS.index("account_id"),
        amount=_FIELDS.index("amount"),
        currency_field=_FIELDS.index("currency"),
        low=np.uint64(key.low),
        high=np.uint64(key.high),
    )


def new_follows(tables: Tables) -> Int64Array:
    """Which field followed which in the records before: int64, shape (fields + 3,). So far: none."""
    return np.full(tables.undeclared + 1 + STATES, len(tables.words.entry) - 1, np.int64)


def _rules(fields: Sequence[Rule]) -> Rules:
    return Rules(
        rule=np.array([(rule.takes, rule.text, *rule.chars, rule.required) for rule in fields], np.int64),
        bounds=np.array([rule.bounds for rule in fields], np.float64),
    )


def _rows(layout: FrameLayout, fields: Sequence[str]) -> Rows:
    def shown(names: Sequence[str]) -> Int64Array:
        pairs = [(row, fields.index(name)) for row, name in enumerate(names) if name in fields]
        return np.array(pairs, np.int64).reshape(-1, 2)

    hour, weekday = (layout.numbers.index(n) if n in layout.numbers else ABSENT for n in ("hour", "weekday"))
    return Rows(shown(layout.numbers), shown(layout.texts), shown(layout.spans), hour, weekday)
