"""Evidence of a rule's comparisons: the value, the threshold, and the margin by which it was passed or missed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from fraudstream.contracts.alert import Evidence
from fraudstream.contracts.payment import Payment
from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.expression import ColumnSource, Comparison, Expression, Type, ValueLists
from fraudstream.engine.lists import ABSENT, FOR_EVER
from fraudstream.engine.plain_text import MISSING, plain, text_at

_UPWARD, _DOWNWARD = (">", ">="), ("<", "<=")


class Tested(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison of a rule, fired or not. `holds`: None if a value is missing: neither true nor false.

    The margin of `evidence` is negative if the comparison does not hold.
    """

    evidence: Evidence
    holds: bool | None


def evidence_of(
    comparisons: Sequence[Comparison], columns: ColumnSource, payments: Sequence[Payment], lists: ValueLists
) -> list[tuple[Evidence, ...]]:
    """For each of the n payments, the comparisons that hold, in the rule's order. `lists`: the declared lists."""
    found: list[list[Evidence]] = [[] for _ in payments]
    for comparison in comparisons:
        holds = comparison.holds(columns)
        if not holds.any():
            continue
        evidence = _evidence(comparison, columns, payments, lists)
        for row in np.flatnonzero(holds).tolist():
            found[row].append(evidence[row])
    return [tuple(evidence) for evidence in found]


def tested(
    comparisons: Sequence[Comparison], columns: ColumnSource, payments: Sequence[Payment], lists: ValueLists
) -> list[tuple[Tested, ...]]:
    """For each of the n payments, all comparisons in the rule's order."""
    found: list[list[Tested]] = [[] for _ in payments]
    for comparison in comparisons:
        true, known = comparison.truth(columns)
        for row, evidence in enumerate(_evidence(comparison, columns, payments, lists)):
            found[row].append(Tested(evidence, bool(true[row]) if known[row] else None))
    return [tuple(row) for row in found]


def _evidence(
    comparison: Comparison, columns: ColumnSource, payments: Sequence[Payment], lists: ValueLists
) -> list[Evidence]:
    values = texts_of(comparison.left, columns, payments)
    if comparison.listed is not None:
        thresholds = _of_list(lists[comparison.listed].kind, columns.column(comparison.right_text).tolist())
    elif comparison.right is None:
        thresholds = [comparison.right_text] * len(payments)
    else:
        thresholds = texts_of(comparison.right, columns, payments)
    return [
        Evidence(comparison.left.source, comparison.operator, comparison.right_text, value, threshold, margin)
        for value, threshold, margin in zip(values, thresholds, _margins(comparison, columns), strict=True)
    ]


def texts_of(expression: Expression, columns: ColumnSource, payments: Sequence[Payment]) -> list[str]:
    """The value of an expression for each payment of `columns`, as plain text."""
    if expression.text_literal is not None:
        return [expression.text_literal] * len(payments)
    if expression.text_field is not None:
        return [text_at(columns, row, payment, expression.text_field) for row, payment in enumerate(payments)]
    if expression.type is Type.TEXT:
        return [text or MISSING for text in expression.texts(columns)]
    if expression.type is Type.BOOL:
        true, known = expression.truth(columns)
        values = np.where(known, true.astype(np.float64), np.nan)
    else:
        values = expression.values(columns)
    type_ = expression.type
    return [plain(value, type_, payment.currency) for value, payment in zip(values.tolist(), payments, strict=True)]


def _of_list(kind: str, until_ms: list[int]) -> list[str]:
    """The kind of a list, and until when it holds each value, if it does so for a limited time."""
    return [
        f"{kind} list" if until in (ABSENT, FOR_EVER) else f"{kind} list, until {utc_text(until, 'shortest')}"
        for until in until_ms
    ]


def _margins(comparison: Comparison, columns: ColumnSource) -> list[float | None]:
    right = comparison.right
    if right is None or comparison.operator not in (*_UPWARD, *_DOWNWARD):
        return [None] * columns.n
    sign = 1.0 if comparison.operator in _UPWARD else -1.0
    values, thresholds = comparison.left.values(columns), right.values(columns)
    with np.errstate(all="ignore"):
        margins = sign * (values - thresholds) / np.abs(thresholds)
    return [round(margin, 4) if math.isfinite(margin) else None for margin in margins.tolist()]
