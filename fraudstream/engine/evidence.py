"""Why a rule fired: each comparison that held, with what was found, what was asked, and by how much it was passed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraudstream.contracts.alert import Evidence
from fraudstream.contracts.payment import Payment
from fraudstream.engine.expression import ColumnSource, Comparison, Expression, Type
from fraudstream.engine.plain_text import payment_text, plain

_UPWARD, _DOWNWARD = (">", ">="), ("<", "<=")


def evidence_of(
    comparisons: Sequence[Comparison], columns: ColumnSource, rows: Sequence[int], payments: Sequence[Payment]
) -> list[tuple[Evidence, ...]]:
    """For each of `rows` the comparisons that hold there, in the rule's order. `payments`: those of `rows`."""
    found: list[list[Evidence]] = [[] for _ in rows]
    for comparison in comparisons:
        holds = comparison.holds(columns)
        if not any(holds[row] for row in rows):
            continue
        lefts = texts_of(comparison.left, columns, rows, payments)
        margins = _margins(comparison, columns, rows)
        if comparison.right is None:
            thresholds = [comparison.right_text] * len(rows)
        else:
            thresholds = texts_of(comparison.right, columns, rows, payments)
        for k, row in enumerate(rows):
            if holds[row]:
                found[k].append(
                    Evidence(
                        left=comparison.left.source,
                        operator=comparison.operator,
                        right=comparison.right_text,
                        value=lefts[k],
                        threshold=thresholds[k],
                        margin=margins[k],
                    )
                )
    return [tuple(evidence) for evidence in found]


def texts_of(
    expression: Expression, columns: ColumnSource, rows: Sequence[int], payments: Sequence[Payment]
) -> list[str]:
    """The value of an expression at each of `rows` as plain text."""
    if expression.text_literal is not None:
        return [expression.text_literal] * len(rows)
    if expression.text_field is not None:
        return [payment_text(payment, expression.text_field) for payment in payments]
    if expression.type is Type.BOOL:
        true, known = expression.truth(columns)
        values = np.where(known, true.astype(np.float64), np.nan)
    else:
        values = expression.values(columns)
    return [
        plain(float(values[row]), expression.type, payment.currency)
        for row, payment in zip(rows, payments, strict=True)
    ]


def _margins(comparison: Comparison, columns: ColumnSource, rows: Sequence[int]) -> list[float | None]:
    right = comparison.right
    if right is None or comparison.operator not in (*_UPWARD, *_DOWNWARD):
        return [None] * len(rows)
    values, thresholds = comparison.left.values(columns), right.values(columns)
    sign = 1.0 if comparison.operator in _UPWARD else -1.0
    margins: list[float | None] = []
    for row in rows:
        threshold = float(thresholds[row])
        margin = sign * (float(values[row]) - threshold) / abs(threshold) if threshold else None
        margins.append(None if margin is None or not np.isfinite(margin) else round(margin, 4))
    return margins
