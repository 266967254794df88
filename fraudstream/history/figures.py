"""Figures over all payments: by day what was paid, decided and scored, and what labels say of it since.

A day's payments and decisions hardly change once the day is over, so they are asked by day, and a caller may keep an
answer for as long as `files_of_day` is the same. Labels come for weeks: they are asked of all days at once, and only
the payments that have one are read. A payment counts once, with its first decision and its newest label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from fraudstream.history.database import Database
from fraudstream.history.payment_pages import ONCE

SCORE: Final = ""  # the name of the score that decides, among shadow scores

_SOURCES: Final = f"""
    SELECT p.channel, p.partner_id, p.currency, count(*), sum(p.amount_minor)::BIGINT, count(d.alert_id),
      (coalesce(sum(p.amount_minor) FILTER (WHERE d.alert_id IS NOT NULL), 0))::BIGINT
    FROM (SELECT account_id, event_id, amount_minor, currency, channel, partner_id FROM {{payments}} {ONCE}) p
    LEFT JOIN (SELECT account_id, event_id, alert_id FROM {{decisions}} {ONCE}) d USING (account_id, event_id)
    GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3"""
_DECIDED: Final = f"""
    WITH once AS MATERIALIZED (
      SELECT rule_set, score, rules, shadow_rules, alert_id, shadow_scores FROM {{decisions}} {ONCE}),
    shadow AS (SELECT unnest(map_entries(shadow_scores::JSON::MAP(VARCHAR, DOUBLE))) AS each, alert_id FROM once
      WHERE shadow_scores IS NOT NULL),
    scores AS (SELECT '' AS name, score, alert_id FROM once
      UNION ALL SELECT each.key, each.value, alert_id FROM shadow)
    SELECT 'score', name, {{{{bin}}}}, count(*), count(alert_id) FROM scores GROUP BY ALL
    UNION ALL SELECT 'rule', rule, 0, count(*), 0 FROM (SELECT unnest(rules) AS rule FROM once) GROUP BY ALL
    UNION ALL SELECT 'shadow_rule', rule, 0, count(*), 0
      FROM (SELECT unnest(shadow_rules) AS rule FROM once) GROUP BY ALL
    UNION ALL SELECT 'rule_set', rule_set, 0, count(*), count(alert_id) FROM once GROUP BY ALL"""
_LABELLED: Final = f"""
    WITH newest AS MATERIALIZED (
      SELECT account_id, event_id, label, source FROM {{labels}}
      QUALIFY row_number() OVER (PARTITION BY account_id, event_id
        ORDER BY labelled_at_ms DESC, published_at_ms DESC, source_offset DESC) = 1),
    judged AS MATERIALIZED (
      SELECT account_id, event_id, occurred_at_ms // 86400000 AS day, score, rules, shadow_rules, alert_id,
        shadow_scores
      FROM {{decisions}} SEMI JOIN newest USING (account_id, event_id) {ONCE}),
    labelled AS MATERIALIZED (SELECT newest.label = 'fraud' AS fraud, newest.source, judged.* EXCLUDE (event_id),
        judged.event_id FROM judged JOIN newest USING (account_id, event_id)),
    paid AS (
      SELECT account_id, event_id, amount_minor, currency, channel, partner_id
      FROM {{payments}} SEMI JOIN newest USING (account_id, event_id) {ONCE}),
    scores AS (SELECT '' AS name, score, source, fraud FROM labelled
      UNION ALL SELECT each.key, each.value, source, fraud FROM (
        SELECT unnest(map_entries(shadow_scores::JSON::MAP(VARCHAR, DOUBLE))) AS each, source, fraud FROM labelled
        WHERE shadow_scores IS NOT NULL))
    SELECT 'source' AS kind, channel AS a, partner_id AS b, currency AS c, day, alert_id IS NOT NULL AS alerted, fraud,
      count(*) AS n, sum(amount_minor)::BIGINT AS amount, 0.0 AS brier
      FROM labelled JOIN paid USING (account_id, event_id) GROUP BY ALL
    UNION ALL SELECT 'rule', rule, NULL, NULL, day, true, fraud, count(*), 0, 0.0
      FROM (SELECT unnest(rules) AS rule, day, fraud FROM labelled) GROUP BY ALL
    UNION ALL SELECT 'shadow_rule', rule, NULL, NULL, day, true, fraud, count(*), 0, 0.0
      FROM (SELECT unnest(shadow_rules) AS rule, day, fraud FROM labelled) GROUP BY ALL
    UNION ALL SELECT 'score', name, source, NULL, 0, false, fraud, count(*), 0,
      sum((score - fraud::INT) * (score - fraud::INT))
      FROM scores GROUP BY ALL"""


class SourceDay(NamedTuple):
    """A day's payments of one channel, partner and currency. `alerts`: payments with an alert."""

    channel: str | None
    partner: str | None
    currency: str
    payments: int
    amount_minor: int
    alerts: int
    alerted_minor: int


class DecidedDay(NamedTuple):
    """A day's first decisions. `scores`: by name of the score (`SCORE`: the one that decides) and number of the bin,
    payments and those with an alert. `rules`, `shadow_rules`: how often each fired. `rule_sets`: by digest, payments
    and alerts."""

    scores: dict[tuple[str, int], tuple[int, int]]
    rules: dict[str, int]
    shadow_rules: dict[str, int]
    rule_sets: dict[str, tuple[int, int]]


class LabelledSource(NamedTuple):
    """A day's labelled payments of one channel, partner and currency. `day`: in days since the epoch, UTC."""

    channel: str | None
    partner: str | None
    currency: str
    day: int
    alerted: bool
    fraud: bool
    payments: int
    amount_minor: int


class LabelledScore(NamedTuple):
    """The labelled payments of one source of labels that have a score of this name. `squares`: the sum of
    (score − label)²."""

    name: str
    source: str | None
    fraud: bool
    payments: int
    squares: float


class Labelled(NamedTuple):
    """What labels say of the payments of some days. `rules`, `shadow_rules`: by rule, day and whether it was fraud,
    labelled payments in which it fired."""

    sources: tuple[LabelledSource, ...]
    rules: dict[tuple[str, int, bool], int]
    shadow_rules: dict[tuple[str, int, bool], int]
    scores: tuple[LabelledScore, ...]


class FigureReader:
    """Figures from `database`. Methods block, and raise as `Database.query`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_day(self) -> int:
        """The newest day with payments, in days since the epoch; -1 if there is none."""
        return self._database.last_day("payments")

    def files_of_day(self, day: int) -> frozenset[str]:
        """What the payments and decisions of a day are read from; as long as it is the same, so are the answers."""
        files = self._database.manifest().files
        return frozenset(
            f"{file.table}/{file.name}" for file in files if file.day == day and file.table in ("payments", "decisions")
        )

    def sources(self, day: int, *, limit_s: float) -> tuple[SourceDay, ...]:
        """A day's payments by channel, partner and currency."""
        return tuple(SourceDay(*row) for row in self._database.query(_SOURCES, {}, {day}, limit_s))

    def decided(self, day: int, bounds: Sequence[float], *, limit_s: float) -> DecidedDay:
        """A day's decisions. `bounds`: the upper ends of the bins of scores, ascending and included; the last bin has
        none."""
        bin_ = " + ".join(["0", *(f"(score > {bound!r})::INT" for bound in bounds)])
        rows = self._database.query(_DECIDED.replace("{{bin}}", bin_), {}, {day}, limit_s)

        def of(kind: str) -> list[tuple[Any, ...]]:
            return [row[1:] for row in rows if row[0] == kind]

        return DecidedDay(
            {(name, number): (payments, alerts) for name, number, payments, alerts in of("score")},
            {rule: payments for rule, _, payments, _ in of("rule")},
            {rule: payments for rule, _, payments, _ in of("shadow_rule")},
            {rule_set: (payments, alerts) for rule_set, _, payments, alerts in of("rule_set")},
        )

    def labelled(self, since_day: int, *, limit_s: float) -> Labelled:
        """The labelled payments from a day on, in days since the epoch, UTC."""
        last = max(self.last_day(), self._database.last_day("labels"))
        rows = self._database.query(_LABELLED, {}, range(since_day, last + 1), limit_s)

        def of(kind: str) -> list[tuple[Any, ...]]:
            return [row[1:] for row in rows if row[0] == kind]

        return Labelled(
            tuple(LabelledSource(*row[:-1]) for row in of("source")),
            {(rule, day, fraud): count for rule, _, _, day, _, fraud, count, *_ in of("rule")},
            {(rule, day, fraud): count for rule, _, _, day, _, fraud, count, *_ in of("shadow_rule")},
            tuple(
                LabelledScore(name, source, fraud, count, squares)
                for name, source, _, _, _, fraud, count, _, squares in of("score")
            ),
        )
