"""The queue."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from fraudstream.console.access.masking import Masking
from fraudstream.console.case_row import CaseRow
from fraudstream.console.desk import ROWS_MAX
from fraudstream.console.queue_order import ORDERS
from fraudstream.console.queue_query import (
    DISPOSITIONS,
    NOBODY,
    STATUS_FILTERS,
    QueueQuery,
    cursor_of,
    parsed_cursor,
)
from fraudstream.console.saved_views import NAME_CHARACTERS_MAX
from fraudstream.console.search.current_cases import QueuePage
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.entity_address import EntityAddresses
from fraudstream.console.web.entity_pages import entity_object
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.identifier_pages import query_for
from fraudstream.console.web.queue_rows import KNOWN_HEADER, RowLook, ShownTimes
from fraudstream.console.web.rendering import clock_for, fragment, page, words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.contracts.case_typologies import TYPOLOGIES
from fraudstream.contracts.fields import SEVERITIES
from fraudstream.operations.case_actions import RejectedOpeningError
from fraudstream.operations.errors import InvalidValueError, OperationError

router = APIRouter()
_SEVEREST_FIRST: Final = tuple(reversed(SEVERITIES))


@router.post("/next")
async def take_next(
    request: Request, visitor: Annotated[Visitor, Depends(permitted("act_on_cases"))]
) -> RedirectResponse:
    """Claim the most urgent case that is nobody's, of those that the URL's filters match, and lead to it."""
    query = query_for(request, visitor)
    actor = visitor.user.name
    await audited(request, actor, "act", "asked", object="path:/next", detail="claim")
    try:
        case_id = await console_of(request).desk.next_case(query, actor=actor)
    except OperationError:
        note_result(request, actor, "act", "failed", object="path:/next", detail="claim")
        raise PageError(503, "unavailable") from None
    if case_id is None:
        note_result(request, actor, "act", "failed", object="path:/next", detail="claim")
        raise PageError(404, "no_next")
    note_result(request, actor, "act", "done", object=f"case:{case_id}", detail="claim")
    return RedirectResponse(f"/cases/{case_id}{query.parameters()}", 303)


@router.post("/cases")
async def open_by_hand(
    request: Request, visitor: Annotated[Visitor, Depends(permitted("act_on_cases"))]
) -> RedirectResponse:
    """Open a case without an alert, of the account and for the reason that the form has, and lead to it."""
    form = await form_of(request)
    severity = next((each for each in SEVERITIES if each == form.get("severity")), None)
    if severity is None:
        raise PageError(400, "invalid")
    actor, account_id = visitor.user.name, form.get("account_id", "").strip()
    account = entity_object(request, "account", account_id)
    await audited(request, actor, "act", "asked", object=account, detail="open")
    try:
        case_id = await console_of(request).desk.open_by_hand(
            account_id,
            actor=actor,
            severity=severity,
            reason=form.get("note", "").strip(),
        )
    except InvalidValueError:
        raise PageError(400, "invalid") from None
    except RejectedOpeningError:
        note_result(request, actor, "act", "refused", object=account, detail="open")
        raise PageError(409, "not_opened") from None
    except OperationError:
        raise PageError(503, "unavailable") from None
    note_result(request, actor, "act", "done", object=f"case:{case_id}", detail="open")
    return RedirectResponse(f"/cases/{case_id}", 303)


@router.get("/")
async def queue(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]) -> Response:
    """A page of the queue, as the parameters of the URL ask for it."""
    console = console_of(request)
    query = query_for(request, visitor)
    after = parsed_cursor(request.query_params.get("after"))
    if query.text:
        note_view(request, visitor.session, "search", "path:/", console.references.search(query.text))
    found, views = await asyncio.gather(console.desk.queue(query, after), console.views.all_for(visitor.user.name))
    values = {
        "rows": _rows(request, visitor, query, found),
        "query": query,
        "found": found,
        "is_first": after is None,
        "next_parameters": None if found.next_after is None else query.parameters(after=cursor_of(found.next_after)),
        "status_filters": STATUS_FILTERS,
        "severities": _SEVEREST_FIRST,
        "orders": ORDERS,
        "nobody": NOBODY,
        "assignees": sorted(set(found.counts["assignee"]) - {NOBODY, visitor.user.name}),
        "typologies": sorted(set(found.counts["typology"]) | ({query.typology} if query.typology else set())),
        "queues": _queues(query, found),
        "tags": sorted(set(found.counts["tag"]) | ({query.tag} if query.tag else set())),
        "rows_max": ROWS_MAX,
        "views": views,
        "view_name_max": NAME_CHARACTERS_MAX,
        "dispositions": DISPOSITIONS,
        "closing_typologies": TYPOLOGIES,
    }
    return page(request, "queue.html", visitor, values)


def _rows(request: Request, visitor: Visitor, query: QueueQuery, found: QueuePage) -> list[Markup]:
    """The rows of a page as markup, without those that the browser has."""
    console, words, clock = console_of(request), words_for(request), clock_for(request)
    masking, href = Masking(visitor.may("see_identifiers")), EntityAddresses(console.references).href
    look = RowLook(
        words.language,
        query.parameters(),
        may_act=visitor.may("act_on_cases"),
        is_masked=not masking.visible,
        has_queues=bool(_queues(query, found)),
    )
    known = frozenset(request.headers.get(KNOWN_HEADER, "").split())

    def markup(row: CaseRow) -> Markup:
        times = ShownTimes(
            clock.age(row.opened_at_ms),
            "" if row.breach_due_ms is None else clock.left(row.breach_due_ms),
            "" if row.snoozed_until_ms is None else clock.left(row.snoozed_until_ms),
        )
        return console.queue_rows.markup(row, look, times, known, partial(cells, row, times))

    def cells(row: CaseRow, times: ShownTimes) -> str:
        account_href = href("account", row.account_id)
        return fragment(
            "queue_row.html",
            words,
            row=masking.shown(row),
            look=look,
            times=times,
            time_text=clock.time_text,
            account_href=account_href,
        )

    return [markup(row) for row in found.rows]


def _queues(query: QueueQuery, found: QueuePage) -> list[str]:
    """The queues that can be chosen."""
    return sorted(set(found.counts["queue"]) | ({query.queue} if query.queue else set()))
