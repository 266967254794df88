"""Links: which accounts have used a device, an IP address, a counterparty, a merchant or a terminal, and how often.

A row stands for all payments of one day that have the value and the account. Rows can be added up, so files of links
are merged by adding. The way back, from an account to what it has used, is answered from `payments`, whose rows lie
together by account.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.history.tables import LINK_FIELDS, SCHEMAS

_SCHEMA = SCHEMAS["links"]


def links_of(payments: pa.Table) -> pa.Table:
    """The links of rows of `payments`, which are of one day."""
    parts = []
    for kind, field in LINK_FIELDS.items():
        used = payments.select([field, "account_id", "occurred_at_ms"]).filter(pc.field(field).is_valid())
        count = len(used)
        parts.append(
            pa.table(
                [
                    pa.array([kind] * count, pa.string()),
                    used[field],
                    used["account_id"],
                    pa.array([1] * count, pa.int64()),
                    used["occurred_at_ms"],
                    used["occurred_at_ms"],
                ],
                schema=_SCHEMA,
            )
        )
    return added_up(pa.concat_tables(parts))


def added_up(links: pa.Table) -> pa.Table:
    """Rows of links with one row for each kind, value and account."""
    grouped = links.group_by(["kind", "value", "account_id"]).aggregate(
        [("payments", "sum"), ("first_ms", "min"), ("last_ms", "max")]
    )
    columns = [grouped[name] for name in ("kind", "value", "account_id", "payments_sum", "first_ms_min", "last_ms_max")]
    return pa.table(columns, schema=_SCHEMA)
