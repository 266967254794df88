"""Questions about the past, answered from the store: payments of an account or a device, links, totals of a day.

Every method blocks, so call it in a thread, and takes its time limit, `limit_s` seconds for each of its queries. They
raise `HistoryTimeoutError` beyond it, and `HistoryError` if the store cannot be read. A payment that was published
several times is there once, as it was published first; its decision is the first, its label the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fraudstream.history.answers import COUNTED, DaySummary, Link, LinkedAccount, PageKey, PastPayment, Summary, Total
from fraudstream.history.database import Database
from fraudstream.history.figures import FigureReader
from fraudstream.history.payment_pages import ONCE, PageQuery, payment_page
from fraudstream.history.tables import DAY_MS, LINK_FIELDS, EntityKind, LinkKind, column_of

LIMIT_S: Final = 5.0

_SUMMARY: Final = f"""
    WITH own AS MATERIALIZED (
      SELECT event_id, occurred_at_ms, amount_minor, currency, direction, {", ".join(COUNTED)} FROM {{payments}}
      WHERE {{column}} = $value AND occurred_at_ms >= $since_ms {ONCE}),
    totals AS (
      SELECT currency, direction, count(*) AS payments, sum(amount_minor)::BIGINT AS amount FROM own GROUP BY ALL)
    SELECT (SELECT list([currency, direction, payments::VARCHAR, amount::VARCHAR]
                        ORDER BY payments DESC, currency, direction) FROM totals),
      min(occurred_at_ms), max(occurred_at_ms), {", ".join(f"count(DISTINCT {name})" for name in COUNTED)} FROM own"""
_ACCOUNTS: Final = """
    SELECT account_id, sum(payments)::BIGINT, min(first_ms), max(last_ms) FROM {links}
    WHERE kind = $kind AND value = $value GROUP BY ALL ORDER BY 4 DESC, 1 LIMIT $rows"""
_USERS: Final = """
    SELECT kind, value, account_id, sum(payments)::BIGINT, min(first_ms), max(last_ms) FROM {links}
    WHERE value IN {values} GROUP BY kind, value, account_id
    QUALIFY row_number() OVER (PARTITION BY kind, value ORDER BY max(last_ms) DESC, account_id) <= $rows
    ORDER BY 1, 2, 6 DESC, 3"""
_USED: Final = (
    f"WITH own AS MATERIALIZED (SELECT account_id, {', '.join(LINK_FIELDS.values())} FROM {{payments}} "
    "WHERE account_id IN {accounts}) "
    + " UNION ALL ".join(
        f"SELECT account_id, '{kind}', {field}, count(*) FROM own WHERE {field} IS NOT NULL GROUP BY ALL"
        for kind, field in LINK_FIELDS.items()
    )
    + " ORDER BY 1, 2, 3"
)
_COUNTS: Final = "SELECT kind, value, count(DISTINCT account_id) FROM {links} WHERE value IN {values} GROUP BY ALL"
_DAY: Final = f"""
    SELECT p.currency, d.outcome, count(*), sum(p.amount_minor)::BIGINT, count(d.alert_id)
    FROM (SELECT account_id, event_id, amount_minor, currency FROM {{payments}} {ONCE}) p
    LEFT JOIN (SELECT account_id, event_id, outcome, alert_id FROM {{decisions}} {ONCE}) d USING (account_id, event_id)
    GROUP BY ALL ORDER BY 3 DESC, 1, 2"""


class HistoryReader:
    """Reads the store at `root`, which need not exist yet. Safe in several threads. `figures`: over all payments."""

    def __init__(self, root: Path) -> None:
        self._database = Database(root)
        self.figures = FigureReader(self._database)

    def interrupt(self) -> None:
        """Make running questions, and all later ones, fail."""
        self._database.interrupt()

    def close(self) -> None:
        """Close it; running queries fail."""
        self._database.close()

    def newest_ms(self) -> int | None:
        """The end of the newest day that has payments, ms since the epoch; None if there are none."""
        day = self._database.last_day("payments")
        return None if day < 0 else (day + 1) * DAY_MS - 1

    def payments(
        self,
        kind: EntityKind,
        value: str,
        *,
        since_ms: int,
        rows: int,
        before: PageKey | None = None,
        limit_s: float = LIMIT_S,
    ) -> list[PastPayment]:
        """The newest payments of an account, or with a device and so on, since a time: at most `rows`, those `before`
        a place in this order."""
        return payment_page(self._database, PageQuery(column_of(kind), value, since_ms, rows, before, limit_s))

    def summary(self, kind: EntityKind, value: str, *, since_ms: int, limit_s: float = LIMIT_S) -> Summary:
        """Totals of the payments since a time."""
        (totals, first_ms, last_ms, *distinct), *_ = self._database.query(
            _SUMMARY.replace("{column}", column_of(kind)),
            {"value": value, "since_ms": since_ms},
            self._since(since_ms),
            limit_s,
        )
        return Summary(
            tuple(
                Total(currency, direction, int(count), int(minor)) for currency, direction, count, minor in totals or ()
            ),
            first_ms,
            last_ms,
            dict(zip(COUNTED, distinct, strict=True)),
        )

    def accounts(
        self, kind: LinkKind, value: str, *, since_ms: int, rows: int, limit_s: float = LIMIT_S
    ) -> list[LinkedAccount]:
        """The accounts that have used a value since the day of a time: at most `rows`, the last to use it first."""
        values = {"kind": kind, "value": value, "rows": rows}
        return [LinkedAccount(*row) for row in self._database.query(_ACCOUNTS, values, self._since(since_ms), limit_s)]

    def users(
        self, values: Sequence[tuple[LinkKind, str]], *, since_ms: int, rows: int, limit_s: float = LIMIT_S
    ) -> dict[tuple[LinkKind, str], list[LinkedAccount]]:
        """As `accounts`, of several values at once: at most `rows` accounts of each."""
        answer: dict[tuple[LinkKind, str], list[LinkedAccount]] = {value: [] for value in values}
        lists = {"values": sorted({value for _, value in values})}
        found = self._database.query(_USERS, {"rows": rows}, self._since(since_ms), limit_s, lists) if values else []
        for kind, value, *account in found:
            if (kind, value) in answer:
                answer[kind, value].append(LinkedAccount(*account))
        return answer

    def links(self, accounts: Sequence[str], *, since_ms: int, limit_s: float = LIMIT_S) -> dict[str, list[Link]]:
        """What each of some accounts has used since the day of a time, with how many accounts have; by account."""
        answer: dict[str, list[Link]] = {account: [] for account in accounts}
        days = self._since(since_ms)
        used = self._database.query(_USED, {}, days, limit_s, {"accounts": accounts}) if accounts else []
        values = sorted({value for _, _, value, _ in used})
        counted = self._database.query(_COUNTS, {}, days, limit_s, {"values": values}) if values else []
        users = {(kind, value): count for kind, value, count in counted}
        for account, kind, value, payments in used:
            answer[account].append(Link(kind, value, payments, users[kind, value]))
        return answer

    def day(self, day: int, *, limit_s: float = LIMIT_S) -> list[DaySummary]:
        """A day's payments by currency and outcome. `day`: in days since the epoch, UTC."""
        return [DaySummary(*row) for row in self._database.query(_DAY, {}, {day}, limit_s)]

    def _since(self, since_ms: int) -> range:
        """The days from that of a time on."""
        return range(since_ms // DAY_MS, self._database.last_day("payments") + 1)
