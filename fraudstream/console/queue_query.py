"""What an analyst asks of the queue: filters and an order, as the parameters of a URL.

A filter left out matches every case, except `status`, which then matches the cases that are neither closed nor put
aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Final, Literal, NamedTuple, TypeVar, get_args
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fraudstream.console.access.teams import Team
from fraudstream.console.case_row import LEVELS, SNOOZED, CaseRow, Level
from fraudstream.console.queue_order import ORDERS, PLACE_MAX, Order, SortKey
from fraudstream.console.search.entry import CaseEntry, searched_text
from fraudstream.contracts.case_values import Disposition
from fraudstream.contracts.fields import SEVERITIES

StatusFilter = Literal[
    "active", "new", "assigned", "in_review", "waiting", "escalated", "proposed", "snoozed", "closed", "all"
]
Dimension = Literal["status", "severity", "typology", "assignee", "queue", "tag"]

STATUS_FILTERS: Final[tuple[StatusFilter, ...]] = get_args(StatusFilter)
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)
DISPOSITIONS: Final[tuple[Disposition, ...]] = get_args(Disposition)
INACTIVE: Final = (SNOOZED, "closed")
_OF_VISITOR: Final = ("account_parts", "team")
ACTIVE: Final = tuple(each for each in STATUS_FILTERS if each not in (*INACTIVE, "active", "all"))
NOBODY: Final = "-"  # as `assignee`: cases without one
TEXT_CHARACTERS_MAX: Final = 128
UTC: Final = ZoneInfo("UTC")

Choice = TypeVar("Choice")


class Day(NamedTuple):
    """A day as a filter. `text`: YYYY-MM-DD. `from_ms`, `before_ms`: its first moment and the next day's, ms since the
    epoch, UTC."""

    text: str
    from_ms: int
    before_ms: int

    def __str__(self) -> str:
        return self.text


class QueueQuery(NamedTuple):
    """Filters and order. `text`: words, and ids or beginnings of ids, of which a case has all.

    `assignee`: a name, or `NOBODY`. `channel`: of a payment of one of its listed alerts; `partner`: of one of its
    alerts. `rule`: one that fired. Of the days that a case was opened or last changed on, the first and the last.
    `account_parts`: `text` finds parts of an account id; else the whole alone. `team`: that sees the case. These two
    are of the visitor, not of the URL.
    """

    status: StatusFilter = "active"
    severity: str | None = None
    typology: str | None = None
    assignee: str | None = None
    queue: str | None = None
    text: str = ""
    order: Order = "urgency"
    disposition: Disposition | None = None
    opened_from: Day | None = None
    opened_to: Day | None = None
    updated_from: Day | None = None
    updated_to: Day | None = None
    level: Level | None = None
    channel: str | None = None
    partner: str | None = None
    rule: str | None = None
    tag: str | None = None
    account_parts: bool = True
    team: Team | None = None

    def tests(self) -> list[tuple[str, Callable[[CaseEntry], bool]]]:
        """The filters that are set, each by its name with whether a case passes it."""
        tests: list[tuple[str, Callable[[CaseEntry], bool]]] = []
        if self.status == "active":
            tests.append(("status", lambda case: case.row.state not in INACTIVE))
        elif self.status != "all":
            tests.append(("status", lambda case: case.row.state == self.status))
        if self.severity is not None:
            tests.append(("severity", lambda case: case.row.severity == self.severity))
        if self.typology is not None:
            tests.append(("typology", lambda case: self.typology in case.row.typologies))
        if self.assignee is not None:
            tests.append(("assignee", lambda case: (case.row.assignee or NOBODY) == self.assignee))
        if self.queue is not None:
            tests.append(("queue", lambda case: case.row.queue == self.queue))
        if self.tag is not None:
            tests.append(("tag", lambda case: self.tag in case.row.tags))
        if self.disposition is not None:
            tests.append(("disposition", lambda case: case.row.disposition == self.disposition))
        if self.level is not None:
            tests.append(("level", lambda case: case.row.level == self.level))
        for name, values_of in _SEVERAL.items():
            if (value := getattr(self, name)) is not None:
                tests.append((name, partial(_has, values_of, value)))
        if self.opened_from or self.opened_to:
            tests.append(("opened", lambda case: _is_within(case.row.opened_at_ms, self.opened_from, self.opened_to)))
        if self.updated_from or self.updated_to:
            tests.append(
                ("updated", lambda case: _is_within(case.row.updated_at_ms, self.updated_from, self.updated_to))
            )
        if self.text:
            searched = searched_text(self.text)
            tests.append(("text", lambda case: case.has(searched, account_parts=self.account_parts)))
        if (team := self.team) is not None:
            tests.append(("team", lambda case: team.sees(case.row)))
        return tests

    def parameters(self, **changes: str | None) -> str:
        """The URL parameters of this query with `changes`, beginning with '?'; empty if all are the defaults.

        >>> QueueQuery(severity="high").parameters(order="score")
        '?severity=high&order=score'
        """
        found = {name: value for name, value in self._asdict().items() if value != _DEFAULTS[name]} | changes
        shown = {
            name: value
            for name, value in found.items()
            if value and name not in _OF_VISITOR and value != _DEFAULTS.get(name)
        }
        return f"?{urlencode(shown)}" if shown else ""


_DEFAULTS: Final[Mapping[str, object]] = QueueQuery()._asdict()
# Filters by something of which a case may have several values.
_SEVERAL: Final[Mapping[str, Callable[[CaseRow], tuple[str, ...]]]] = {
    "channel": lambda row: row.channels,
    "partner": lambda row: row.partners,
    "rule": lambda row: row.rules,
}


def query_of(parameters: Mapping[str, str], zone: ZoneInfo = UTC) -> QueueQuery:
    """The query in the parameters of a URL. A value that no filter has is left out, so that an old link still works.

    `zone`: where days begin."""
    return QueueQuery(
        status=_choice(parameters.get("status"), STATUS_FILTERS, "active"),
        severity=next((each for each in SEVERITIES if each == parameters.get("severity")), None),
        typology=_text(parameters.get("typology")),
        assignee=_text(parameters.get("assignee")),
        queue=_text(parameters.get("queue")),
        tag=_text(parameters.get("tag")),
        text=(parameters.get("text") or "").strip()[:TEXT_CHARACTERS_MAX],
        order=_choice(parameters.get("order"), ORDERS, "urgency"),
        disposition=next((each for each in DISPOSITIONS if each == parameters.get("disposition")), None),
        opened_from=day_of(parameters.get("opened_from"), zone),
        opened_to=day_of(parameters.get("opened_to"), zone),
        updated_from=day_of(parameters.get("updated_from"), zone),
        updated_to=day_of(parameters.get("updated_to"), zone),
        level=next((each for each in LEVELS if each == parameters.get("level")), None),
        channel=_text(parameters.get("channel")),
        partner=_text(parameters.get("partner")),
        rule=_text(parameters.get("rule")),
    )


def day_of(text: str | None, zone: ZoneInfo) -> Day | None:
    """The day that a text names as YYYY-MM-DD; None if it names none.

    >>> day_of("2026-03-04", ZoneInfo("Asia/Shanghai"))
    Day(text='2026-03-04', from_ms=1772553600000, before_ms=1772640000000)
    """
    try:
        day = date.fromisoformat(text or "")
        return Day(day.isoformat(), _begin_ms(day, zone), _begin_ms(day + timedelta(days=1), zone))
    except (ValueError, OverflowError):
        return None


def cursor_of(key: SortKey) -> str:
    """A sort key as text for a URL.

    >>> parsed_cursor(cursor_of((25, "b42be4")))
    (25, 'b42be4')
    """
    return f"{key[0]}~{key[1]}"


def parsed_cursor(text: str | None) -> SortKey | None:
    """The sort key in a text of `cursor_of`; None if it is none."""
    number, found, case_id = (text or "").partition("~")
    try:
        return (min(max(int(number), 0), PLACE_MAX), case_id) if found else None
    except ValueError:
        return None


def _has(values_of: Callable[[CaseRow], tuple[str, ...]], value: str, case: CaseEntry) -> bool:
    return value in values_of(case.row)


def _text(value: str | None) -> str | None:
    return (value or "")[:TEXT_CHARACTERS_MAX] or None


def _is_within(at_ms: int, first: Day | None, last: Day | None) -> bool:
    return (first is None or at_ms >= first.from_ms) and (last is None or at_ms < last.before_ms)


def _begin_ms(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)


def _choice(value: str | None, choices: Iterable[Choice], otherwise: Choice) -> Choice:
    return next((choice for choice in choices if choice == value), otherwise)
