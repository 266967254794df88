"""Pages of payments, the newest first, each payment with its first decision and its newest label.

Three steps, so that few files are read in full: the places of the page, from few columns, beginning with the newest
days; then the payments, from the files of their days alone; then their decisions and labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from fraudstream.history.answers import PageKey, PastPayment
from fraudstream.history.database import Database
from fraudstream.history.tables import DAY_MS, SCHEMAS

FIRST_DAYS: Final = 8  # of a search that begins with the newest; then four times as many, and so on
ONCE: Final = (
    "QUALIFY row_number() OVER (PARTITION BY account_id, event_id "
    "ORDER BY published_at_ms, source_partition, source_offset) = 1"
)
_OWN: Final = ("event_id", "account_id", "occurred_at_ms", "amount_minor", "currency")
_SOURCE: Final = ("source_partition", "source_offset")
_FIELDS: Final = tuple(field.name for field in SCHEMAS["payments"] if field.name not in (*_OWN, *_SOURCE))
_PLACES: Final = f"""
    SELECT occurred_at_ms, source_partition, source_offset FROM {{payments}}
    WHERE {{column}} = $value AND occurred_at_ms >= $since_ms
      AND ($before_ms IS NULL OR (occurred_at_ms, event_id) < ($before_ms, $before_id))
    {ONCE} ORDER BY occurred_at_ms DESC, event_id DESC LIMIT $rows"""
_PAYMENTS: Final = f"""
    SELECT {", ".join((*_SOURCE, *_OWN, *_FIELDS))} FROM {{payments}}
    WHERE {{column}} = $value AND source_offset IN {{offsets}} ORDER BY occurred_at_ms DESC, event_id DESC"""
_DECISIONS: Final = f"""
    SELECT account_id, event_id, outcome, score, rules, alert_id FROM {{decisions}}
    WHERE account_id IN {{accounts}} AND event_id IN {{events}} {ONCE}"""
_LABELS: Final = """
    SELECT account_id, event_id, label FROM {labels} WHERE account_id IN {accounts} AND event_id IN {events}
    QUALIFY row_number() OVER (PARTITION BY account_id, event_id
      ORDER BY labelled_at_ms DESC, published_at_ms DESC, source_offset DESC) = 1"""


class PageQuery(NamedTuple):
    """The payments whose `column` has `value`, since `since_ms`: at most `rows`, those `before` a place."""

    column: str
    value: str
    since_ms: int
    rows: int
    before: PageKey | None
    limit_s: float


def payment_page(database: Database, query: PageQuery) -> list[PastPayment]:
    """The payments, the newest first. Raises as `Database.query`."""
    places = _places(database, query)
    if not places:
        return []
    days = {at_ms // DAY_MS for at_ms, _, _ in places}
    sources = {(partition, offset) for _, partition, offset in places}
    rows = database.query(
        _PAYMENTS.replace("{column}", query.column),
        {"value": query.value},
        days,
        query.limit_s,
        {"offsets": sorted({offset for _, offset in sources})},
    )
    rows = [row[len(_SOURCE) :] for row in rows if row[: len(_SOURCE)] in sources]
    lists = {"accounts": sorted({row[1] for row in rows}), "events": sorted({row[0] for row in rows})}
    decisions = {row[:2]: row[2:] for row in database.query(_DECISIONS, {}, days, query.limit_s, lists)}
    labelled = range(min(days), database.last_day("labels") + 1)
    labels = {row[:2]: row[2] for row in database.query(_LABELS, {}, labelled, query.limit_s, lists)}
    return [_payment(row, decisions.get((row[1], row[0])), labels.get((row[1], row[0]))) for row in rows]


def _places(database: Database, query: PageQuery) -> list[tuple[int, int, int]]:
    """Time, partition and offset of each payment of the page.

    A payment that was published again with another time may be found twice, if the search needs several steps.
    """
    last = database.last_day("payments") if query.before is None else query.before.occurred_at_ms // DAY_MS
    days = list(range(last, query.since_ms // DAY_MS - 1, -1))
    found: list[tuple[int, int, int]] = []
    for part in _parts(days):
        values = {
            "value": query.value,
            "since_ms": query.since_ms,
            "before_ms": None if query.before is None else query.before.occurred_at_ms,
            "before_id": "" if query.before is None else query.before.event_id,
            "rows": query.rows - len(found),
        }
        sql = _PLACES.replace("{column}", query.column)
        found += [(row[0], row[1], row[2]) for row in database.query(sql, values, part, query.limit_s)]
        if len(found) >= query.rows:
            break
    return found


def _parts(days: Sequence[int]) -> list[frozenset[int]]:
    """The days in parts, each four times as long as the one before it."""
    parts: list[frozenset[int]] = []
    begin, length = 0, FIRST_DAYS
    while begin < len(days):
        parts.append(frozenset(days[begin : begin + length]))
        begin, length = begin + length, length * 4
    return parts


def _payment(row: Sequence[Any], decision: Sequence[Any] | None, label: str | None) -> PastPayment:
    own, others = row[: len(_OWN)], row[len(_OWN) :]
    fields = {name: value for name, value in zip(_FIELDS, others, strict=True) if value is not None}
    outcome, score, rules, alert_id = decision or (None, None, (), None)
    event_id, account_id, occurred_at_ms, amount_minor, currency = own
    return PastPayment(
        event_id,
        account_id,
        occurred_at_ms,
        amount_minor,
        currency,
        fields,
        outcome,
        score,
        tuple(rules or ()),
        alert_id,
        label,
    )
