"""What a rule's comparisons found: what was there, what was asked, and by how much it was passed or missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np

from fraudstream.contracts.alert import Evidence
from fraudstream.contracts.payment import Payment
from fraudstream.engine.expression import ColumnSource, Comparison, Expression, Type, ValueLists
from fraudstream.engine.lists import ABSENT, FOR_EVER
from fraudstream.engine.plain_text import plain, text_at

_UPWARD, _DOWNWARD = (">", ">="), ("<", "<=")


class Tested(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison of a rule, fired or not. `holds`: None where a value was missing, so that it is neither true nor
    false. The margin is negative where it was missed."""

    evidence: Evidence
    holds: bool | None


def evidence_of(
    comparisons: Sequence[Comparison], columns: ColumnSource, payments: Sequence[Payment], lists: ValueLists
) -> list[tuple[Evidence, ...]]:
    """For each payment of `columns` the comparisons that hold for it, in the rule's order. `lists`: those declared."""
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
    """For each payment of `columns` all the comparisons, in the rule's order."""
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
    if expression.type is Type.BOOL:
        true, known = expression.truth(columns)
        values = np.where(known, true.astype(np.float64), np.nan)
    else:
        values = expression.values(columns)
    type_ = expression.type
    return [plain(value, type_, payment.currency) for value, payment in zip(values.tolist(), payments, strict=True)]


def _of_list(kind: str, until_ms: list[int]) -> list[str]:
    """What a list is for, and until when it holds each value, if it does and not for ever."""
    return [
        f"{kind} list" if until in (ABSENT, FOR_EVER) else f"{kind} list, until {_time_text(until)}"
        for until in until_ms
    ]


def _time_text(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).replace(microsecond=at_ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds").replace("+00:00", "Z")


def _margins(comparison: Comparison, columns: ColumnSource) -> list[float | None]:
    right = comparison.right
    if right is None or comparison.operator not in (*_UPWARD, *_DOWNWARD):
        return [None] * columns.n
    sign = 1.0 if comparison.operator in _UPWARD else -1.0
    values, thresholds = comparison.left.values(columns), right.values(columns)
    with np.errstate(all="ignore"):
        margins = sign * (values - thresholds) / np.abs(thresholds)
    return [round(margin, 4) if math.isfinite(margin) else None for margin in margins.tolist()]
