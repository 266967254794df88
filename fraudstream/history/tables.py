"""The tables of the store, their columns, and the order of their rows.

Times are ms since the epoch, UTC; amounts are minor units of `currency`. `source_partition` and `source_offset` say
which record of the topic a row was made from. Rows of one account lie together, so that a question about an account
reads a small part of each file; rows of `links` lie together by what they link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import pyarrow as pa

TableName = Literal["payments", "decisions", "labels", "links"]
LinkKind = Literal["device", "ip", "counterparty", "merchant", "terminal"]

EntityKind = Literal["account", LinkKind]

TABLES: Final[tuple[TableName, ...]] = get_args(TableName)
LINK_KINDS: Final[tuple[LinkKind, ...]] = get_args(LinkKind)
# The field of a payment that each kind of link is made of.
LINK_FIELDS: Final[Mapping[LinkKind, str]] = {
    "device": "device_id",
    "ip": "ip",
    "counterparty": "counterparty_id",
    "merchant": "merchant_id",
    "terminal": "terminal_id",
}
DAY_MS: Final = 86_400_000

_TEXT, _INT, _FLOAT, _FLAG, _TEXTS = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.list_(pa.string())
_SOURCE: Final = (("published_at_ms", _INT), ("source_partition", pa.int32()), ("source_offset", _INT))

SCHEMAS: Final[Mapping[TableName, pa.Schema]] = {
    "payments": pa.schema(
        [
            ("event_id", _TEXT),
            ("occurred_at_ms", _INT),
            ("account_id", _TEXT),
            ("amount_minor", _INT),
            ("currency", _TEXT),
            ("direction", _TEXT),
            ("kind", _TEXT),
            ("channel", _TEXT),
            ("partner_id", _TEXT),
            ("merchant_id", _TEXT),
            ("mcc", _TEXT),
            ("terminal_id", _TEXT),
            ("counterparty_id", _TEXT),
            ("counterparty_bank", _TEXT),
            ("device_id", _TEXT),
            ("ip", _TEXT),
            ("country", _TEXT),
            ("lat", _FLOAT),
            ("lon", _FLOAT),
            ("card_present", _FLAG),
            ("balance_before_minor", _INT),
            ("balance_after_minor", _INT),
            ("attributes", _TEXT),  # a JSON object
            ("relates_to", _TEXT),
            *_SOURCE,
        ]
    ),
    "decisions": pa.schema(
        [
            ("event_id", _TEXT),
            ("occurred_at_ms", _INT),
            ("account_id", _TEXT),
            ("outcome", _TEXT),
            ("score", _FLOAT),
            ("rule_set", _TEXT),
            ("rules", _TEXTS),
            ("shadow_rules", _TEXTS),
            ("alert_id", _TEXT),
            ("repeat", _FLAG),
            ("late", _FLAG),
            ("altered", _FLAG),
            ("unmatched", _TEXTS),
            ("shadow_scores", _TEXT),  # a JSON object: score by name
            *_SOURCE,
        ]
    ),
    "labels": pa.schema(
        [
            ("event_id", _TEXT),
            ("account_id", _TEXT),
            ("label", _TEXT),
            ("labelled_at_ms", _INT),
            ("payment_occurred_at_ms", _INT),
            ("source", _TEXT),
            ("confidence", _FLOAT),
            *_SOURCE,
        ]
    ),
    "links": pa.schema(
        [
            ("kind", _TEXT),
            ("value", _TEXT),
            ("account_id", _TEXT),
            ("payments", _INT),
            ("first_ms", _INT),
            ("last_ms", _INT),
        ]
    ),
}

ORDERS: Final[Mapping[TableName, tuple[str, ...]]] = {
    "payments": ("account_id", "occurred_at_ms", "source_partition", "source_offset"),
    "decisions": ("account_id", "occurred_at_ms", "source_partition", "source_offset"),
    "labels": ("account_id", "event_id", "source_partition", "source_offset"),
    "links": ("kind", "value", "account_id"),
}


def column_of(kind: EntityKind) -> str:
    """The field of a payment that names the entity.

    >>> column_of("account"), column_of("device")
    ('account_id', 'device_id')
    """
    return "account_id" if kind == "account" else LINK_FIELDS[kind]
