"""Payments drawn by hypothesis for the measures, small enough to be measured by definition."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from fraudstream.evaluation.payments import DAY_MS, EvaluatedPayments, EvaluatedRule

RULES = (EvaluatedRule("a", "live"), EvaluatedRule("b", "live"), EvaluatedRule("c", "shadow"))

Row = tuple[int, int, int, int, int, int, int]  # day, account, label, score in tenths, amount, currency, rule bits

rows = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.integers(0, 5),
        st.sampled_from([0, 0, 1, -1]),
        st.integers(0, 4),
        st.integers(1, 900),
        st.integers(0, 1),
        st.integers(0, 7),
    ),
    min_size=1,
    max_size=40,
)


def evaluated(drawn: list[Row]) -> EvaluatedPayments:
    """The payments of some rows. Alerted are those on which a live rule fired."""
    columns = np.array(drawn, np.int64).reshape(-1, 7).T
    fired = (columns[6][:, None] >> np.arange(3) & 1).astype(np.bool_)
    return EvaluatedPayments(
        occurred_at_ms=columns[0] * DAY_MS + 7,
        account=columns[1],
        label=columns[2].astype(np.int8),
        amount_minor=columns[4],
        currency=columns[5],
        currencies=("EUR", "USD"),
        typology=np.where(columns[2] == 1, columns[1] % 2, -1),
        typologies=("theft", "mule"),
        label_source=columns[1] % 3 - 1,
        label_sources=("chargeback", "customer"),
        label_confidence=np.where(columns[1] % 2 == 1, columns[3] / 4, np.nan),
        alerted=fired[:, :2].any(axis=1),
        rules=RULES,
        fired=fired,
        scores={"score": columns[3] / 10, "challenger": (columns[3] * 7 % 5) / 10},
    )
