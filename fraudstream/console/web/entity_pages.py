"""The pages of accounts, devices, counterparties, merchants and so on, and what case pages show of an account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.past import DAYS, KINDS, NETWORK_DAYS, RECENT_MAX, EntityPast, Missing
from fraudstream.console.plots.network_graph import network_graph
from fraudstream.console.plots.place_map import place_map
from fraudstream.console.plots.timeline import timeline
from fraudstream.console.shown_text import plain_value
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.entity_address import entity_href, parsed_before
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import Case, amount_text
from fraudstream.contracts.timestamps import utc_text
from fraudstream.history.answers import PastPayment
from fraudstream.history.tables import DAY_MS, LINK_FIELDS, EntityKind, column_of

router = APIRouter()
ID_LENGTH_MAX: Final = 128
# Fields of a payment that lead to a page, by name.
LINKED_FIELDS: Final[Mapping[str, EntityKind]] = {
    **{field: kind for kind, field in LINK_FIELDS.items()},
    "account_id": "account",
}
_FIRST_FIELDS: Final = (
    "account_id",
    "direction",
    "kind",
    "channel",
    "counterparty_id",
    "merchant_id",
    "device_id",
    "ip",
    "country",
)
_BALANCES: Final = {"balance_before_minor": "balance_before", "balance_after_minor": "balance_after"}


class Drawings(NamedTuple):
    """What is drawn of a past. `map`: None if no payment has a place; `graph`: None if the account shares nothing."""

    timeline: Markup
    map: Markup | None
    graph: Markup | None


class PastTable(NamedTuple):
    """A page of payments: the names of the fields that at least one has, and the fields of each as text."""

    columns: tuple[str, ...]
    lines: tuple[tuple[PastPayment, Mapping[str, str]], ...]


class CasePast(NamedTuple):
    """What a case page shows of the account's past; all None where it is `missing`."""

    missing: Missing | None
    past: EntityPast | None
    drawings: Drawings | None
    days: int


@router.get("/history/{kind}")
async def entity_page(
    request: Request, kind: str, visitor: Annotated[Visitor, Depends(permitted("see_identifiers"))]
) -> Response:
    """An account, a device, and so on: what it did in the last `DAYS` days of the history.

    Its address and links are made of identifiers, so it is for those who see them.
    """
    value = request.query_params.get("id", "")
    if kind not in KINDS or not 1 <= len(value) <= ID_LENGTH_MAX:
        raise PageError(404, "not_found")
    note_view(request, visitor.session, "view", f"{kind}:{value}")
    before = parsed_before(request.query_params.get("before"))
    console = console_of(request)
    found = await console.past.entity(kind, value, before)
    values: dict[str, Any] = {"kind": kind, "value": value, "days": DAYS, "network_days": NETWORK_DAYS}
    values |= {
        "is_first": before is None,
        "recent_max": RECENT_MAX,
        "linked_fields": LINKED_FIELDS,
        "money": amount_text,
    }
    cases = console.desk.of_account(value) if kind == "account" else []
    values["cases"] = [row for row in cases if visitor.team is None or visitor.team.sees(row.queue, row.typologies)]
    if isinstance(found, str):
        return page(request, "entity.html", visitor, values | {"missing": found, "past": None})
    values |= {
        "missing": None,
        "past": found,
        "drawings": drawings_of(request, found),
        "table": table_of(found.rows, column_of(kind)),
        "next_href": None if found.next_before is None else entity_href(kind, value, found.next_before),
    }
    return page(request, "entity.html", visitor, values)


async def past_of_case(request: Request, case: Case) -> CasePast:
    """What the page of `case` shows. The page asks for itself again once an answer that took too long is there."""
    console = console_of(request)
    found = await console.past.of_case(case.account_id, lambda: console.live.on_case(case.case_id))
    if isinstance(found, str):
        return CasePast(found, None, None, DAYS)
    return CasePast(None, found, drawings_of(request, found), DAYS)


def drawings_of(request: Request, past: EntityPast) -> Drawings:
    """The drawings, with their words."""
    words, desk = words_for(request), console_of(request).desk
    describe = _describer(words)
    drawn = timeline(
        past.recent,
        _shown_since_ms(past),
        past.until_ms,
        words.text("past.timeline_title", count=len(past.recent)),
        describe,
    )
    places = place_map(past.recent, words.text("past.map_title"), describe)
    if past.network is None or not past.network.hops:
        return Drawings(drawn, places, None)
    graph = network_graph(
        past.network,
        words.text("past.network_title", account=plain_value(past.network.account_id)),
        entity_href,
        lambda kind: words.text(f"entity.{kind}"),
        lambda account: bool(desk.of_account(account)),
    )
    return Drawings(drawn, places, graph)


def _shown_since_ms(past: EntityPast) -> int:
    """Where the timeline begins: with the day of the oldest payment that is drawn."""
    oldest_ms = min((payment.occurred_at_ms for payment in past.recent), default=past.since_ms)
    return max(past.since_ms, oldest_ms // DAY_MS * DAY_MS)


def table_of(payments: Sequence[PastPayment], common: str) -> PastTable:
    """The table of a page of payments. `common`: the field that is the same in all of them, and is left out."""
    lines = tuple((payment, _fields(payment)) for payment in payments)
    present = dict.fromkeys(name for _, fields in lines for name in fields if name != common)
    first = [name for name in _FIRST_FIELDS if name in present]
    return PastTable((*first, *(name for name in present if name not in first)), lines)


def _fields(payment: PastPayment) -> dict[str, str]:
    fields = {"account_id": payment.account_id}
    for name, value in payment.fields.items():
        if name in _BALANCES and isinstance(value, int):
            fields[_BALANCES[name]] = amount_text(value, payment.currency)
        elif name != "published_at_ms":
            fields[name] = ("no", "yes")[value] if isinstance(value, bool) else str(value)
    return fields


def _describer(words: Words) -> Callable[[PastPayment], str]:
    """Words for a payment that stands out."""

    def describe(payment: PastPayment) -> str:
        return words.text(
            "past.point",
            at=utc_text(payment.occurred_at_ms),
            amount=f"{amount_text(payment.amount_minor, payment.currency)} {payment.currency}",
            payment=plain_value(payment.event_id),
            rules=plain_value(", ".join(payment.rules) or payment.label or ""),
        )

    return describe
