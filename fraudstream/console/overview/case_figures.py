"""The overview of cases, as tallies of the index. Every number is of cases that a query of the queue finds, so that a
page can lead there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from fraudstream.console.access.teams import Team
from fraudstream.console.overview.outcomes import FRAUD, Outcomes, outcomes_by_value, outcomes_of
from fraudstream.console.queue_query import NOBODY, Day, QueueQuery, day_of
from fraudstream.console.search.tally import NONE, Tallied, Tally
from fraudstream.contracts.timestamps import utc

HOURS: Final = 48
WEEKS: Final = 12
DAYS: Final = (1, 7, 30, 90)  # that a page may show
DAYS_SHOWN: Final = 7
LINES_MAX: Final = 50
HOUR_MS: Final = 3_600_000

AnswerTally = Callable[[Tally], Tallied]


class Period(NamedTuple):
    """The days of an overview, today's included. `query`: the cases that were opened on them. `first`: the first
    day."""

    days: int
    query: QueueQuery
    first: Day


class Hour(NamedTuple):
    """An hour: alerts by the time of their payment, and cases by when they were opened."""

    begin_ms: int
    alerts: int
    cases: int


class Backlog(NamedTuple):
    """Cases that are neither closed nor put aside, of a queue (`NONE`: of none) or all: what their service level has
    come to. `oldest_ms`: when the oldest was opened."""

    queue: str
    cases: int
    warned: int
    breached: int
    oldest_ms: int | None


class Person(NamedTuple):
    """An analyst's cases that are neither closed nor put aside, and `period`: those opened in the period that are
    theirs, by how they were closed. `name`: `NOBODY` for cases without one."""

    name: str
    cases: int
    warned: int
    breached: int
    period: Outcomes


class Week(NamedTuple):
    """The cases opened in a week, from Monday to Sunday."""

    first: Day
    last: Day
    outcomes: Outcomes


class CaseFigures(NamedTuple):
    """The overview. `dispositions`: cases of the period by disposition, `NONE` for those that are not closed.
    `channels`, `partners`: at most `LINES_MAX`, the most cases first. Amounts are minor units by currency: `at_risk` of
    the cases that are not closed or put aside, `stopped` of those of the period that were closed as fraud."""

    at_ms: int
    period: Period
    hours: tuple[Hour, ...]
    backlog: tuple[Backlog, ...]
    backlog_total: Backlog
    people: tuple[Person, ...]
    dispositions: Mapping[str, int]
    outcomes: Outcomes
    channels: Mapping[str, Outcomes]
    partners: Mapping[str, Outcomes]
    weeks: tuple[Week, ...]
    at_risk: Mapping[str, int]
    stopped: Mapping[str, int]


def case_figures(answer: AnswerTally, days: int, team: Team | None, zone: ZoneInfo, now_ms: int) -> CaseFigures:
    """The overview of the cases that a team sees, None: of all. `answer`: `CaseIndex.tally`. Blocks."""
    period = period_of(days, team, zone, now_ms)
    active = answer(Tally(QueueQuery(team=team), "level", ("queue", "assignee"), amounts=True))
    opened = answer(Tally(period.query, "disposition", ("assignee", "channel", "partner")))
    fraud = answer(Tally(period.query._replace(disposition=FRAUD), "disposition", amounts=True))
    return CaseFigures(
        at_ms=now_ms,
        period=period,
        hours=_hours(answer, team, zone, now_ms),
        backlog=_backlog(active),
        backlog_total=_backlog_line(NONE, active.cases, min(active.oldest_ms.values(), default=None)),
        people=_people(active, opened),
        dispositions=dict(opened.cases),
        outcomes=outcomes_of(opened.cases),
        channels=_most(outcomes_by_value(opened.fields["channel"])),
        partners=_most(outcomes_by_value(opened.fields["partner"])),
        weeks=_weeks(answer, team, zone, now_ms),
        at_risk=_amounts(active),
        stopped=_amounts(fraud),
    )


def period_of(days: int, team: Team | None, zone: ZoneInfo, now_ms: int) -> Period:
    """The last `days` days, today's included."""
    today = utc(now_ms).astimezone(zone).date()
    first, last = _day(today - timedelta(days=days - 1), zone), _day(today, zone)
    return Period(days, QueueQuery(status="all", opened_from=first, opened_to=last, team=team), first)


def _day(day: date, zone: ZoneInfo) -> Day:
    found = day_of(day.isoformat(), zone)
    assert found is not None, f"{day} is a day"
    return found


def _hours(answer: AnswerTally, team: Team | None, zone: ZoneInfo, now_ms: int) -> tuple[Hour, ...]:
    """The last `HOURS` hours of the zone, the one that runs included."""
    past_hour_ms = now_ms + round(_offset_ms(zone, now_ms))
    begin_ms = now_ms - past_hour_ms % HOUR_MS - (HOURS - 1) * HOUR_MS
    bounds = tuple(begin_ms + number * HOUR_MS for number in range(HOURS + 1))
    # A case has changed since its alerts, so those that have not changed in these hours have no alert in them.
    changed = QueueQuery(status="all", updated_from=Day("", begin_ms, begin_ms), team=team)
    found = answer(Tally(changed, "level", opened_ms=bounds, alerted_ms=bounds))
    opened = Counter[int]()
    for (number, _), count in found.opened.items():
        opened[number] += count
    return tuple(Hour(bounds[number], found.alerted[number], opened[number]) for number in range(HOURS))


def _offset_ms(zone: ZoneInfo, at_ms: int) -> float:
    offset = utc(at_ms).astimezone(zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds() * 1000


def _backlog(active: Tallied) -> tuple[Backlog, ...]:
    by_queue: dict[str, Counter[str]] = {}
    for (queue, level), count in active.fields["queue"].items():
        by_queue.setdefault(queue, Counter())[level] += count
    lines = [_backlog_line(queue, counts, active.oldest_ms.get(queue)) for queue, counts in by_queue.items()]
    return tuple(sorted(lines, key=lambda line: (-line.breached, -line.cases, line.queue)))


def _backlog_line(queue: str, counts: Mapping[str, int], oldest_ms: int | None) -> Backlog:
    return Backlog(queue, sum(counts.values()), counts.get("warned", 0), counts.get("breached", 0), oldest_ms)


def _people(active: Tallied, opened: Tallied) -> tuple[Person, ...]:
    """Nobody first, then who has most open cases."""
    by_name: dict[str, Counter[str]] = {}
    for (name, level), count in active.fields["assignee"].items():
        by_name.setdefault(name, Counter())[level] += count
    periods = outcomes_by_value(opened.fields["assignee"])
    lines = [
        Person(name, sum(counts.values()), counts["warned"], counts["breached"], periods.get(name, Outcomes()))
        for name in by_name.keys() | periods.keys()
        for counts in (by_name.get(name, Counter()),)
    ]
    lines.sort(key=lambda line: (line.name != NOBODY, -line.cases, -line.period.cases, line.name))
    return tuple(lines)


def _weeks(answer: AnswerTally, team: Team | None, zone: ZoneInfo, now_ms: int) -> tuple[Week, ...]:
    today = utc(now_ms).astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    firsts = [monday - timedelta(weeks=WEEKS - 1 - number) for number in range(WEEKS)]
    days = [(_day(first, zone), _day(first + timedelta(days=6), zone)) for first in firsts]
    query = QueueQuery(status="all", opened_from=days[0][0], opened_to=days[-1][1], team=team)
    bounds = (*(first.from_ms for first, _ in days), days[-1][1].before_ms)
    found = outcomes_by_value(answer(Tally(query, "disposition", opened_ms=bounds)).opened)
    return tuple(Week(*each, found.get(number, Outcomes())) for number, each in enumerate(days))


def _most(found: Mapping[str, Outcomes]) -> dict[str, Outcomes]:
    return dict(list(found.items())[:LINES_MAX])


def _amounts(found: Tallied) -> dict[str, int]:
    """The sums by currency."""
    amounts = Counter[str]()
    for (currency, _), minor in found.amount_minor.items():
        amounts[currency] += minor
    return dict(sorted(amounts.items()))
