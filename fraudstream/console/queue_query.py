"""What an analyst asks of the queue: filters and an order, as the parameters of a URL.

A filter left out matches every case, except `status`, which then matches the cases that are neither closed nor put
aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple, TypeVar, get_args
from urllib.parse import urlencode

from fraudstream.console.access.teams import Team
from fraudstream.console.case_row import SNOOZED, CaseRow
from fraudstream.contracts.fields import SEVERITIES

Order = Literal["urgency", "score", "oldest", "newest"]
StatusFilter = Literal[
    "active", "new", "assigned", "in_review", "waiting", "escalated", "proposed", "snoozed", "closed", "all"
]
Dimension = Literal["status", "severity", "typology", "assignee", "queue"]

ORDERS: Final[tuple[Order, ...]] = get_args(Order)
STATUS_FILTERS: Final[tuple[StatusFilter, ...]] = get_args(StatusFilter)
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)
INACTIVE: Final = (SNOOZED, "closed")
_OF_VISITOR: Final = ("account_parts", "team")
NOBODY: Final = "-"  # as `assignee`: cases without one
TEXT_CHARACTERS_MAX: Final = 128

SortKey = tuple[float, str]
Choice = TypeVar("Choice")
_SORT_KEYS: Final[Mapping[Order, Callable[[CaseRow], SortKey]]] = {
    "urgency": lambda row: (-row.urgency, row.case_id),
    "score": lambda row: (-row.score, row.case_id),
    "oldest": lambda row: (row.opened_at_ms, row.case_id),
    "newest": lambda row: (-row.updated_at_ms, row.case_id),
}


class QueueQuery(NamedTuple):
    """Filters and order. `text`: the beginning of a case id, a part of an account id, or a payment's event id.

    `assignee`: a name, or `NOBODY`. `account_parts`: `text` finds parts of an account id; else the whole alone.
    `team`: that sees the case. These two are of the visitor, not of the URL.
    """

    status: StatusFilter = "active"
    severity: str | None = None
    typology: str | None = None
    assignee: str | None = None
    queue: str | None = None
    text: str = ""
    order: Order = "urgency"
    account_parts: bool = True
    team: Team | None = None

    def tests(self) -> list[tuple[str, Callable[[CaseRow], bool]]]:
        """The filters that are set, each by its name with whether a row passes it."""
        tests: list[tuple[str, Callable[[CaseRow], bool]]] = []
        if self.status == "active":
            tests.append(("status", lambda row: row.state not in INACTIVE))
        elif self.status != "all":
            tests.append(("status", lambda row: row.state == self.status))
        if self.severity is not None:
            tests.append(("severity", lambda row: row.severity == self.severity))
        if self.typology is not None:
            tests.append(("typology", lambda row: self.typology in row.typologies))
        if self.assignee is not None:
            tests.append(("assignee", lambda row: (row.assignee or NOBODY) == self.assignee))
        if self.queue is not None:
            tests.append(("queue", lambda row: row.queue == self.queue))
        if self.text:
            tests.append(("text", self._has_text))
        if (team := self.team) is not None:
            tests.append(("team", lambda row: team.sees(row.queue, row.typologies)))
        return tests

    def sort_key(self, row: CaseRow) -> SortKey:
        """The place of `row` in the order, which is total: ascending, by case id where all else is equal."""
        return _SORT_KEYS[self.order](row)

    def parameters(self, **changes: str | None) -> str:
        """The URL parameters of this query with `changes`, beginning with '?'; empty if all are the defaults.

        >>> QueueQuery(severity="high").parameters(order="score")
        '?severity=high&order=score'
        """
        found: dict[str, str | None] = {
            name: value
            for name, value in self._asdict().items()
            if name not in _OF_VISITOR and value != _DEFAULT._asdict()[name]
        }
        found |= changes
        shown = {name: value for name, value in found.items() if value and value != _DEFAULT._asdict().get(name)}
        return f"?{urlencode(shown)}" if shown else ""

    def _has_text(self, row: CaseRow) -> bool:
        has_account = self.text in row.account_id if self.account_parts else self.text == row.account_id
        return row.case_id.startswith(self.text) or has_account or self.text in row.event_ids


_DEFAULT: Final = QueueQuery()


def query_of(parameters: Mapping[str, str]) -> QueueQuery:
    """The query in the parameters of a URL. A value that no filter has is left out, so that an old link still works."""
    return QueueQuery(
        status=_choice(parameters.get("status"), STATUS_FILTERS, "active"),
        severity=next((each for each in SEVERITIES if each == parameters.get("severity")), None),
        typology=(parameters.get("typology") or "")[:TEXT_CHARACTERS_MAX] or None,
        assignee=(parameters.get("assignee") or "")[:TEXT_CHARACTERS_MAX] or None,
        queue=(parameters.get("queue") or "")[:TEXT_CHARACTERS_MAX] or None,
        text=(parameters.get("text") or "").strip()[:TEXT_CHARACTERS_MAX],
        order=_choice(parameters.get("order"), ORDERS, "urgency"),
    )


def cursor_of(key: SortKey) -> str:
    """A sort key as text for a URL.

    >>> parsed_cursor(cursor_of((-0.25, "b42be4")))
    (-0.25, 'b42be4')
    """
    return f"{key[0]!r}~{key[1]}"


def parsed_cursor(text: str | None) -> SortKey | None:
    """The sort key in a text of `cursor_of`; None if it is none."""
    number, found, case_id = (text or "").partition("~")
    try:
        # Whole numbers stay whole: an urgency has more digits than some floats keep.
        return (float(number) if "." in number or "e" in number else int(number), case_id) if found else None
    except ValueError:
        return None


def _choice(value: str | None, choices: Iterable[Choice], otherwise: Choice) -> Choice:
    return next((choice for choice in choices if choice == value), otherwise)
