"""Scores: how those that decide and those in shadow are distributed, how they drift, and how they agree with labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from fraudstream.console.overview.outcomes import Outcomes
from fraudstream.console.overview.payment_days import Days, PaymentDays, last_days
from fraudstream.evaluation.drift import MOVED, STABLE, stability_index
from fraudstream.history.figures import DecidedDay, FigureReader, Labelled, LabelledScore

# As of `telemetry.score_bins`, so that the page and Prometheus show the same bins.
BOUNDS: Final = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75)
HALF_A_STEP: Final = 0.00005  # scores of decisions have four decimals
SOURCES_MAX: Final = 20


class ScoreBin(NamedTuple):
    """A bin of scores from above `low` to `high`. `payments`, `before`: in the period, and in the one before it."""

    low: float | None
    high: float
    payments: int
    before: int


class Agreement(NamedTuple):
    """How a score agrees with the labels of one source. `brier`: the mean of (score − label)²; `brier_of_base_rate`: of
    a score that says the share of frauds of every payment."""

    source: str | None
    labels: int
    frauds: int
    brier: float
    brier_of_base_rate: float


class ScoreFigures(NamedTuple):
    """A score. `reached`: payments of the period with its threshold or more; None if it has no threshold any more.
    `drift`: the population stability index of the period against the one before, `drift_by_day`: of each day; None
    without payments before. `agreements`: by source of labels, the most labels first."""

    name: str
    payments: int
    reached: int | None
    bins: tuple[ScoreBin, ...]
    drift: float | None
    drift_by_day: Mapping[int, float]
    agreements: tuple[Agreement, ...]

    @property
    def verdict(self) -> str | None:
        """What the drift means by the customary limits: stable, shifting or moved."""
        if self.drift is None:
            return None
        return "stable" if self.drift < STABLE else "shifting" if self.drift < MOVED else "moved"


class AllScores(NamedTuple):
    """The scores, the one that decides first. `rule_sets`: by digest, payments and alerts of the period. `weeks`: by
    the first day of the week, payments with an alert by their label, all others as not closed."""

    days: Days
    before: Days
    scores: tuple[ScoreFigures, ...]
    rule_sets: Mapping[str, tuple[int, int]]
    weeks: Mapping[int, Outcomes]


def all_scores(reader: FigureReader, kept: PaymentDays, count: int, thresholds: Mapping[str, float]) -> AllScores:
    """Of the last `count` days of the store. `thresholds`: of the scores of the rules in force, by name. Blocks. Raises
    `HistoryError`."""
    days = last_days(reader, count)
    before = Days(max(days.first - count, 0), days.first - 1)
    bounds = _bounds(thresholds)
    decided = kept.decided(reader, Days(before.first, days.last), bounds)
    now = {day: found for day, found in decided.items() if day in days}
    labelled = kept.labelled(reader, days)
    names = sorted({name for found in now.values() for name, _ in found.scores} | set(thresholds))
    rule_sets = Counter[tuple[str, int]]()
    for found in now.values():
        for digest, counts in found.rule_sets.items():
            rule_sets.update({(digest, number): each for number, each in enumerate(counts)})
    return AllScores(
        days,
        before,
        tuple(_score(name, decided, days, bounds, thresholds.get(name), labelled) for name in names),
        {digest: (rule_sets[digest, 0], rule_sets[digest, 1]) for digest, _ in rule_sets},
        _weeks(now, labelled, days),
    )


def _bounds(thresholds: Mapping[str, float]) -> tuple[float, ...]:
    """Upper ends of bins. A threshold ends one just below itself, so that the payments that reach it are counted."""
    return tuple(sorted({*BOUNDS, *(_below(threshold) for threshold in thresholds.values())}))


def _below(threshold: float) -> float:
    return round(threshold, 4) - HALF_A_STEP


def _score(
    name: str,
    decided: Mapping[int, DecidedDay],
    days: Days,
    bounds: Sequence[float],
    threshold: float | None,
    labelled: Labelled,
) -> ScoreFigures:
    by_day = {day: _counts(found, name, len(bounds) + 1) for day, found in decided.items()}
    now = _sum([counts for day, counts in by_day.items() if day in days], len(bounds) + 1)
    before = _sum([counts for day, counts in by_day.items() if day not in days], len(bounds) + 1)
    is_known = sum(now) > 0 and sum(before) > 0
    drift_by_day = {}
    if is_known:
        drift_by_day = {
            day: stability_index(before, counts) for day, counts in by_day.items() if day in days and any(counts)
        }
    return ScoreFigures(
        name=name,
        payments=sum(now),
        reached=None if threshold is None else sum(now[bounds.index(_below(threshold)) + 1 :]),
        bins=tuple(
            ScoreBin(bounds[number - 1] if number else None, (*bounds, 1.0)[number], now[number], before[number])
            for number in range(len(now))
        ),
        drift=stability_index(before, now) if is_known else None,
        drift_by_day=drift_by_day,
        agreements=_agreements([each for each in labelled.scores if each.name == name]),
    )


def _counts(found: DecidedDay, name: str, count: int) -> list[int]:
    return [found.scores.get((name, number), (0, 0))[0] for number in range(count)]


def _sum(rows: Sequence[Sequence[int]], count: int) -> list[int]:
    return [sum(row[number] for row in rows) for number in range(count)]


def _agreements(scores: Sequence[LabelledScore]) -> tuple[Agreement, ...]:
    by_source: dict[str | None, list[LabelledScore]] = {}
    for each in scores:
        by_source.setdefault(each.source, []).append(each)
    found = [_agreement(source, parts) for source, parts in by_source.items()]
    return tuple(sorted(found, key=lambda each: (-each.labels, each.source or ""))[:SOURCES_MAX])


def _agreement(source: str | None, parts: Sequence[LabelledScore]) -> Agreement:
    labels = sum(each.payments for each in parts)
    frauds = sum(each.payments for each in parts if each.fraud)
    base = frauds / labels
    return Agreement(source, labels, frauds, math.fsum(each.squares for each in parts) / labels, base * (1 - base))


def _weeks(decided: Mapping[int, DecidedDay], labelled: Labelled, days: Days) -> dict[int, Outcomes]:
    weeks = {monday_of(day): [0, 0, 0] for day in days.numbers}
    for day, found in decided.items():
        weeks[monday_of(day)][2] += sum(alerts for _, alerts in found.rule_sets.values())
    for line in labelled.sources:
        if line.alerted and line.day in days:
            weeks[monday_of(line.day)][0 if line.fraud else 1] += line.payments
    return {
        week: Outcomes(fraud, genuine, 0, max(alerts - fraud - genuine, 0))
        for week, (fraud, genuine, alerts) in sorted(weeks.items())
    }


def monday_of(day: int) -> int:
    """The Monday of a day's week, in days since the epoch, which was a Thursday.

    >>> monday_of(0), monday_of(4), monday_of(10)
    (-3, 4, 4)
    """
    return day - (day + 3) % 7
