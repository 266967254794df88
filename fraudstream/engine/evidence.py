"""Evidence of a rule's comparisons: the value, the threshold, and the margin by which it was passed or missed.

A comparison is prepared once, and then put into words for one payment at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from fraudstream.contracts.alert import Evidence
from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.expression import Comparison, Expression, TestOfRow, Type, ValueLists
from fraudstream.engine.lists import ABSENT, FOR_EVER
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.plain_text import MISSING, plain

TextOfRow = Callable[[PaymentRow], str]

_REMEMBERED_MAX = 1024  # values of one comparison

_encode = msgspec.json.Encoder().encode
_SIGNS: Final = {">": 1.0, ">=": 1.0, "<": -1.0, "<=": -1.0}  # of the margin, by the operator


class Tested(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison of a rule, fired or not. `holds`: None if a value is missing: neither true nor false.

    The margin of `evidence` is negative if the comparison does not hold.
    """

    evidence: Evidence
    holds: bool | None


class Proof(NamedTuple):
    """A comparison of a rule, prepared to be shown as evidence for many payments.

    `json`: the comparison as it stands for a payment, whether or not it holds: an `Evidence` as JSON. `holds`: whether
    it holds for a payment for which the rule fired; None if it must.
    """

    json: Callable[[PaymentRow], bytes]
    holds: TestOfRow | None


def proofs_of(comparisons: Sequence[Comparison], lists: ValueLists) -> tuple[Proof, ...]:
    """The comparisons of a rule, in its order. `lists`: the declared lists."""
    return tuple(
        Proof(_json_of_row(comparison, lists), None if comparison.certain else comparison.test_of_row())
        for comparison in comparisons
    )


def evidence_of(proofs: Sequence[Proof], row: PaymentRow) -> bytes:
    """The comparisons that hold for a payment for which the rule fired, in the rule's order: a JSON array."""
    return b"[%b]" % b",".join([json(row) for json, holds in proofs if holds is None or holds(row)])


def tested(comparisons: Sequence[Comparison], row: PaymentRow, lists: ValueLists) -> tuple[Tested, ...]:
    """All comparisons of a rule, in its order, for any payment."""
    found = []
    for comparison in comparisons:
        true, known = comparison.truth(row.columns)
        evidence = _evidence_of_row(comparison, lists)(row)
        found.append(Tested(evidence, bool(true[0]) if known[0] else None))
    return tuple(found)


def _json_of_row(comparison: Comparison, lists: ValueLists) -> Callable[[PaymentRow], bytes]:
    """A function with the evidence for one payment as JSON.

    Where the threshold is fixed, most numbers are counts, and most texts are one of a few words: what was made of such
    a value is remembered.
    """
    evidence = _evidence_of_row(comparison, lists)
    if _has_fixed_threshold(comparison):
        name, field = comparison.left.column, comparison.left.text_field
        if name is not None and comparison.left.type in (Type.NUMBER, Type.BOOL):
            return _remembered(evidence, lambda row: row.values[name])
        if field is not None:
            return _remembered(evidence, lambda row: row.texts.get(field) or row.text(field, Type.TEXT))
    return lambda row: _encode(evidence(row))


def _has_fixed_threshold(comparison: Comparison) -> bool:
    """Whether its threshold is the same for every payment, whatever the currency."""
    right = comparison.right
    if right is None:
        return comparison.listed is None
    return right.text_literal is not None or right.constant is not None


def _remembered(
    evidence: Callable[[PaymentRow], Evidence], value_of: Callable[[PaymentRow], float | str]
) -> Callable[[PaymentRow], bytes]:
    """The evidence as JSON. `value_of`: the value on which alone it depends."""
    known: dict[float | str, bytes] = {}

    def json(row: PaymentRow) -> bytes:
        value = value_of(row)
        found = known.get(value)
        if found is None:
            if len(known) == _REMEMBERED_MAX:
                known.clear()
            found = known[value] = _encode(evidence(row))
        return found

    return json


def _evidence_of_row(comparison: Comparison, lists: ValueLists) -> Callable[[PaymentRow], Evidence]:
    if comparison.left.column is not None and comparison.right is not None and comparison.right.is_literal:
        return _evidence_by_literal(comparison, comparison.left.column, comparison.right)
    left, operator, right = comparison.left.source, comparison.operator, comparison.right_text
    value_of, threshold_of = text_of_row(comparison.left), _threshold_of_row(comparison, lists)
    margin_of = _margin_of_row(comparison)
    return lambda row: Evidence(left, operator, right, value_of(row), threshold_of(row), margin_of(row))


def _evidence_by_literal(comparison: Comparison, name: str, literal: Expression) -> Callable[[PaymentRow], Evidence]:
    """Of the column `name` compared with a literal, whose value and text depend on the currency alone."""
    left, operator, right = comparison.left.source, comparison.operator, comparison.right_text
    type_, sign = comparison.left.type, _SIGNS.get(operator)
    threshold_of, threshold_text_of = literal.value_of_row(), text_of_row(literal)
    known: dict[str, tuple[float, str]] = {}

    def evidence(row: PaymentRow) -> Evidence:
        currency = row.currency
        found = known.get(currency)
        if found is None:
            found = known[currency] = threshold_of(row), threshold_text_of(row)
        threshold, text = found
        margin = None if sign is None else _margin(sign, row.values[name], threshold)
        return Evidence(left, operator, right, row.texts.get(name) or row.text(name, type_), text, margin)

    return evidence


def text_of_row(expression: Expression) -> TextOfRow:
    """A function with the value of an expression for one payment, as plain text."""
    type_ = expression.type
    if (literal := expression.text_literal) is not None:
        return lambda row: literal
    if (name := expression.text_field or expression.column) is not None:
        return lambda row: row.texts.get(name) or row.text(name, type_)
    if type_ is Type.TEXT:
        return lambda row: expression.texts(row.columns)[0] or MISSING
    if type_ is Type.BOOL:
        return lambda row: _truth_text(expression, row)
    value = expression.value_of_row()
    return lambda row: plain(value(row), type_, row.currency)


def _truth_text(expression: Expression, row: PaymentRow) -> str:
    true, known = expression.truth(row.columns)
    return plain(float(true[0]) if known[0] else math.nan, Type.BOOL, row.currency)


def _threshold_of_row(comparison: Comparison, lists: ValueLists) -> TextOfRow:
    if comparison.listed is not None:
        kind, column = lists[comparison.listed].kind, comparison.right_text
        return lambda row: _of_list(kind, int(row.values[column]))
    if comparison.right is None:
        text = comparison.right_text
        return lambda row: text
    return text_of_row(comparison.right)


def _of_list(kind: str, until_ms: int) -> str:
    """The kind of a list, and until when it holds a value, if it does so for a limited time."""
    if until_ms == ABSENT or until_ms >= FOR_EVER:
        return f"{kind} list"
    return f"{kind} list, until {utc_text(until_ms, 'shortest')}"


def _margin_of_row(comparison: Comparison) -> Callable[[PaymentRow], float | None]:
    """A function with the margin for one payment; None if the comparison has no distance."""
    right, sign = comparison.right, _SIGNS.get(comparison.operator)
    if right is None or sign is None:
        return lambda row: None
    value_of, threshold_of = comparison.left.value_of_row(), right.value_of_row()
    return lambda row: _margin(sign, value_of(row), threshold_of(row))


def _margin(sign: float, value: float, threshold: float) -> float | None:
    """The distance of the value from the threshold as a share of it, above 0 where the comparison holds."""
    if threshold == 0.0:
        return None
    margin = sign * (value - threshold) / abs(threshold)
    return round(margin, 4) if math.isfinite(margin) else None
