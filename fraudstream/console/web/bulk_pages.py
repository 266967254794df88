"""Several cases at once: those that are chosen in the queue are closed, and what came of each is told."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.access.masking import Masking
from fraudstream.console.desk import ROWS_MAX
from fraudstream.console.web.action_forms import details_of
from fraudstream.console.web.attempts import attempted
from fraudstream.console.web.case_files import file_for
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of, values_of
from fraudstream.console.web.identifier_pages import query_for
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.operations.case_actions import ActionDetails

router = APIRouter()
_BETWEEN: Final = "~"  # a case and the version that the analyst has seen


class ClosedCase(NamedTuple):
    """What came of closing one case. `account_id`: as it is shown; None if there is no such case."""

    case_id: str
    account_id: str | None
    is_done: bool
    message: Markup


@router.post("/cases/close")
async def close_several(request: Request, visitor: Annotated[Visitor, Depends(permitted("act_on_cases"))]) -> Response:
    """Close the cases that are chosen in the queue, all with one disposition and note. One that is refused does not
    stop the others; the page says what came of each."""
    form, chosen = await form_of(request), dict.fromkeys(await values_of(request, "case"))
    if not 0 < len(chosen) <= ROWS_MAX:
        raise PageError(400, "none_chosen", count=str(ROWS_MAX))
    details = details_of("close", form, (), console_of(request).now_ms())
    if "disposition" not in details or (details["disposition"] == "confirmed_fraud" and "typology" not in details):
        raise PageError(400, "invalid")
    results = await asyncio.gather(*(_close(request, visitor, each, details) for each in chosen))
    values = {
        "results": results,
        "closed": sum(each.is_done for each in results),
        "parameters": query_for(request, visitor).parameters(),
    }
    return page(request, "bulk.html", visitor, values)


async def _close(request: Request, visitor: Visitor, chosen: str, details: ActionDetails) -> ClosedCase:
    """Close one case, if it is as the analyst has seen it."""
    case_id, version = _parts(chosen)
    file = await file_for(request, visitor.user.name, visitor.team, case_id)
    if file is None:
        return ClosedCase(case_id, None, False, words_for(request).markup("error.no_case", case=case_id))
    details = details | ActionDetails(expected_version=version)
    attempt = await attempted(request, visitor, case_id, "close", **details)
    shown = Masking(visitor.may("see_identifiers")).identifier(file.case.account_id)
    return ClosedCase(case_id, shown, attempt.is_done, attempt.message)


def _parts(chosen: str) -> tuple[str, int]:
    """The case and its version. Raises `PageError`."""
    case_id, found, version = chosen.partition(_BETWEEN)
    if not (found and version.isascii() and version.isdigit() and len(version) <= 9 and 0 < len(case_id) <= 64):
        raise PageError(400, "invalid")
    return case_id, int(version)
