"""Who is absent until when. What they work goes back to the queue, or to a colleague."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.cases.absences import Absence
from fraudstream.console.access.masking import Masking
from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_query import QueueQuery, StatusFilter, day_of
from fraudstream.console.web.attempts import attempted
from fraudstream.console.web.auditing import audited
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.contracts.case_values import ActionName
from fraudstream.operations.case_actions import ActionDetails

router = APIRouter()
_THEIRS: Final[tuple[StatusFilter, ...]] = ("active", "snoozed")
CASES_MAX: Final = 1_000  # handed over by one form


class KeptCase(NamedTuple):
    """A case that was not handed over, and why. `account_id`: as it is shown."""

    case_id: str
    account_id: str
    why: Markup


@router.get("/absences")
async def absences_page(
    request: Request, visitor: Annotated[Visitor, Depends(permitted("manage_absences"))]
) -> Response:
    """Who is absent."""
    return await _page(request, visitor, None, [])


@router.post("/absences")
async def mark_absent(request: Request, visitor: Annotated[Visitor, Depends(permitted("manage_absences"))]) -> Response:
    """Mark the colleague that the form names absent until the end of a day, and hand over the cases that the visitor
    sees: to the colleague `to`, or to the queue."""
    console, form = console_of(request), await form_of(request)
    name, to, actor = form.get("name", ""), form.get("to", ""), visitor.user.name
    day = day_of(form.get("last_day"), console.settings.zone)
    if day is None or day.before_ms <= console.now_ms() or name == to:
        raise PageError(400, "invalid")
    if await console.users.find(name) is None or (to and await console.users.find(to) is None):
        raise PageError(400, "invalid")
    await audited(request, actor, "change_user", object=f"user:{name}", detail=f"absent until {day.text}")
    await console.absences.put(Absence(name, day.before_ms, actor))
    rows = await _cases_of(request, visitor, name)
    kept = [each for each in await asyncio.gather(*(_hand_over(request, visitor, row, to) for row in rows)) if each]
    message = words_for(request).markup("absence.marked", name=name, moved=len(rows) - len(kept), count=len(rows))
    return await _page(request, visitor, message, kept)


@router.post("/absences/end")
async def end_absence(request: Request, visitor: Annotated[Visitor, Depends(permitted("manage_absences"))]) -> Response:
    """The colleague that the form names is back."""
    console, name = console_of(request), (await form_of(request)).get("name", "")
    if await console.users.find(name) is None:
        raise PageError(400, "invalid")
    await audited(request, visitor.user.name, "change_user", object=f"user:{name}", detail="not absent")
    await console.absences.remove(name)
    return await _page(request, visitor, words_for(request).markup("absence.ended", name=name), [])


async def _cases_of(request: Request, visitor: Visitor, name: str) -> list[CaseRow]:
    """The cases of a colleague that are not closed and that the visitor sees."""
    rows: list[CaseRow] = []
    for status in _THEIRS:
        query = QueueQuery(status=status, assignee=name, team=visitor.team)
        after = None
        while len(rows) < CASES_MAX:
            found = await console_of(request).desk.queue(query, after)
            rows += found.rows
            after = found.next_after
            if after is None:
                break
    return rows


async def _hand_over(request: Request, visitor: Visitor, row: CaseRow, to: str) -> KeptCase | None:
    """Assign a case to somebody else, or release it; None if that was done."""
    name: ActionName = "assign" if to else "release"
    details = ActionDetails(assignee=to) if to else ActionDetails()
    attempt = await attempted(request, visitor, row.case_id, name, **details)
    shown = Masking(visitor.may("see_identifiers")).identifier(row.account_id)
    return None if attempt.is_done else KeptCase(row.case_id, shown, attempt.message)


async def _page(request: Request, visitor: Visitor, message: Markup | None, kept: list[KeptCase]) -> Response:
    console = console_of(request)
    values = {
        "absences": await console.absences.all(console.now_ms()),
        "users": [user.name for user in await console.users.all()],
        "message": message,
        "kept": kept,
    }
    return page(request, "absences.html", visitor, values)
