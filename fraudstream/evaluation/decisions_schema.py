"""The columns of `decisions.parquet`: what a replay writes of each payment, and an evaluation reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

DECISIONS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("occurred_at", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("amount_minor", pa.int64(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("rules", pa.list_(pa.string()), nullable=False),
        pa.field("shadow_rules", pa.list_(pa.string()), nullable=False),
        pa.field("alert_id", pa.string()),
        pa.field("repeat", pa.bool_(), nullable=False),
        pa.field("late", pa.bool_(), nullable=False),
        pa.field("altered", pa.bool_(), nullable=False),
        pa.field("unmatched", pa.list_(pa.string()), nullable=False),
        pa.field("label", pa.string()),
        pa.field("label_source", pa.string()),
        pa.field("label_confidence", pa.float64()),
        pa.field("typology", pa.string()),
        pa.field("rule_set", pa.string(), nullable=False),
    ]
)


def decisions_schema(shadow_scores: Sequence[str]) -> Any:
    """Arrow schema of the decisions file, with a column for each score that decides nothing."""
    return pa.schema([*DECISIONS, *(pa.field(f"score.{name}", pa.float64(), nullable=False) for name in shadow_scores)])
