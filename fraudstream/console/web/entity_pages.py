"""The pages of accounts, devices, counterparties, merchants and so on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.access.past_masking import PastMasking
from fraudstream.console.access.references import PSEUDONYM_KINDS, References
from fraudstream.console.explanations import Named
from fraudstream.console.past import DAYS, KINDS, NETWORK_DAYS, RECENT_MAX, CasePast, EntityPast
from fraudstream.console.plots.network_graph import network_graph
from fraudstream.console.plots.place_map import place_map
from fraudstream.console.plots.timeline import timeline
from fraudstream.console.shown_text import plain_value
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.entity_address import EntityAddresses, parsed_before, payment_href
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import amount_text
from fraudstream.contracts.timestamps import utc_text
from fraudstream.history.answers import Link, LinkedAccount, PastPayment
from fraudstream.history.tables import DAY_MS, LINK_FIELDS, EntityKind, column_of

router = APIRouter()
ID_LENGTH_MAX: Final = 128
USED_MAX: Final = 25
Href = Callable[[str, str], str]
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


class Cell(NamedTuple):
    """A field of a payment: its text, and the page that it leads to, if there is one."""

    text: str
    href: str | None


class PastTable(NamedTuple):
    """A page of payments: the names of the fields that at least one has, and each with its fields and the address of
    its explanation."""

    columns: tuple[str, ...]
    lines: tuple[tuple[PastPayment, Mapping[str, Cell], str], ...]


class Used(NamedTuple):
    """What an account has used, or who has used it, as it is shown, and its page."""

    link: Link | LinkedAccount
    href: str


@router.get("/history/{kind}/{reference}")
async def entity_page(
    request: Request, kind: str, reference: str, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]
) -> Response:
    """An account, a device, and so on: what it did in the last `DAYS` days of the history.

    Its address and its links are references, which nobody can make up: they are found in cases and on such pages.
    """
    console = console_of(request)
    value = console.references.value(kind, reference)
    if kind not in KINDS or value is None or not 1 <= len(value) <= ID_LENGTH_MAX:
        raise PageError(404, "not_found")
    note_view(request, visitor.session, "view", entity_object(request, kind, value))
    before = parsed_before(request.query_params.get("before"))
    found = await console.past.entity(kind, value, before)
    payments = () if isinstance(found, str) else (*found.recent, *found.rows)
    masking = PastMasking(visitor.may("see_identifiers"), payments)
    href = EntityAddresses(console.references).href
    values: dict[str, Any] = {"kind": kind, "value": masking.value(kind, value), "days": DAYS}
    values |= {"is_first": before is None, "recent_max": RECENT_MAX, "money": amount_text}
    values |= {"network_days": NETWORK_DAYS, "first_href": href(kind, value)}
    cases = console.desk.of_account(value) if kind == "account" else []
    values["cases"] = [row for row in cases if visitor.team is None or visitor.team.sees(row)]
    if isinstance(found, str):
        return page(request, "entity.html", visitor, values | {"missing": found, "past": None})
    values |= {
        "missing": None,
        "past": found._replace(recent=(), rows=(), accounts=None, network=None),
        "recent_count": len(found.recent),
        "has_network": found.network is not None,
        "is_capped": found.network is not None and found.network.is_capped,
        "used": _used(found, masking, href),
        "accounts": _accounts(found, masking, href),
        "drawings": drawings_of(request, found, masking),
        "table": table_of(found.rows, column_of(kind), masking, console.references),
        "next_href": None if found.next_before is None else href(kind, value, found.next_before),
    }
    return page(request, "entity.html", visitor, values)


def _used(past: EntityPast, masking: PastMasking, href: Href) -> list[Used]:
    links = () if past.network is None else past.network.used[:USED_MAX]
    return [
        Used(link._replace(value=masking.value(link.kind, link.value)), href(link.kind, link.value)) for link in links
    ]


def _accounts(past: EntityPast, masking: PastMasking, href: Href) -> list[Used] | None:
    if past.accounts is None:
        return None
    return [
        Used(each._replace(account_id=masking.value("account", each.account_id)), href("account", each.account_id))
        for each in past.accounts
    ]


def entity_object(request: Request, kind: str, value: str) -> str:
    """What the audit log calls an account, a device and so on: a pseudonym, if it is about a person."""
    if kind not in PSEUDONYM_KINDS:
        return f"{kind}:{value}"
    return f"{kind}:{console_of(request).references.pseudonym(kind, value)}"


def drawings_of(request: Request, past: EntityPast | CasePast, masking: PastMasking) -> Drawings:
    """The drawings, with their words. Where the past is that of several accounts, each is marked."""
    words, desk = words_for(request), console_of(request).desk
    accounts = past.accounts if isinstance(past, CasePast) and len(past.accounts) > 1 else ()
    numbers = {account_id: number for number, account_id in enumerate(accounts)}
    describe = describer(words, with_account=bool(accounts))
    recent = tuple(map(masking.payment, past.recent))
    drawn = timeline(
        recent,
        _shown_since_ms(past),
        past.until_ms,
        words.text("past.timeline_title", count=len(past.recent)),
        describe,
        [masking.value("account", each) for each in accounts],
        [numbers[payment.account_id] for payment in past.recent] if accounts else (),
    )
    places = place_map(recent, words.text("past.map_title"), describe)
    if past.network is None or not past.network.hops:
        return Drawings(drawn, places, None)
    names = ", ".join(plain_value(masking.value("account", each)) for each in past.network.accounts)
    graph = network_graph(
        past.network,
        words.text("past.network_title", account=names),
        EntityAddresses(console_of(request).references).href,
        masking.value,
        lambda kind: words.text(f"entity.{kind}"),
        lambda account: bool(desk.of_account(account)),
    )
    return Drawings(drawn, places, graph)


def _shown_since_ms(past: EntityPast | CasePast) -> int:
    """Where the timeline begins: with the day of the oldest payment that is drawn."""
    oldest_ms = min((payment.occurred_at_ms for payment in past.recent), default=past.since_ms)
    return max(past.since_ms, oldest_ms // DAY_MS * DAY_MS)


def table_of(payments: Sequence[PastPayment], common: str, masking: PastMasking, references: References) -> PastTable:
    """The table of a page of payments. `common`: the field that is the same in all of them, and is left out."""
    lines, href = [], EntityAddresses(references).href
    for payment in payments:
        shown = masking.payment(payment)
        links = {name: href(kind, value) for name, kind in LINKED_FIELDS.items() if (value := _value(payment, name))}
        cells = {name: Cell(text, links.get(name)) for name, text in _fields(shown).items()}
        named = Named(payment.account_id, payment.event_id, payment.alert_id or "")
        lines.append((shown, cells, payment_href(references, named)))
    present = dict.fromkeys(name for _, fields, _ in lines for name in fields if name != common)
    first = [name for name in _FIRST_FIELDS if name in present]
    return PastTable((*first, *(name for name in present if name not in first)), tuple(lines))


def _value(payment: PastPayment, name: str) -> str | None:
    return payment.account_id if name == "account_id" else payment.text(name)


def _fields(payment: PastPayment) -> dict[str, str]:
    fields = {"account_id": payment.account_id}
    for name, value in payment.fields.items():
        if name in _BALANCES and isinstance(value, int):
            fields[_BALANCES[name]] = amount_text(value, payment.currency)
        elif name != "published_at_ms":
            fields[name] = ("no", "yes")[value] if isinstance(value, bool) else str(value)
    return fields


def describer(words: Words, *, with_account: bool) -> Callable[[PastPayment], str]:
    """Words for a payment that stands out; `with_account`: whose it is, too."""

    def describe(payment: PastPayment) -> str:
        told = words.text(
            "past.point",
            at=utc_text(payment.occurred_at_ms),
            amount=f"{amount_text(payment.amount_minor, payment.currency)} {payment.currency}",
            payment=plain_value(payment.event_id),
            rules=plain_value(", ".join(payment.rules) or payment.label or ""),
        )
        return f"{plain_value(payment.account_id)} · {told}" if with_account else told

    return describe
