"""Whose identifiers a visitor sees: those of every case by their role, or of one case for a session, with a reason."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from fraudstream.console.access.masking import masking_of
from fraudstream.console.desk import CaseFile
from fraudstream.console.queue_query import QueueQuery, query_of
from fraudstream.console.reasons import CaseReasons, reasons_of
from fraudstream.console.web.auditing import audited
from fraudstream.console.web.case_files import file_for
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.visitors import Visitor, permitted

REASON_CHARACTERS_MAX: Final = 500

router = APIRouter()


@router.post("/cases/{case_id}/unmask")
async def unmask(
    request: Request, case_id: str, visitor: Annotated[Visitor, Depends(permitted("reveal_identifiers"))]
) -> Response:
    """Show the identifiers of a case until the session ends. The reason is in the audit log first."""
    console = console_of(request)
    reason = (await form_of(request)).get("reason", "").strip()
    if not 0 < len(reason) <= REASON_CHARACTERS_MAX:
        raise PageError(400, "invalid")
    if await file_for(request, visitor.user.name, visitor.team, case_id) is None:
        raise PageError(404, "no_case", case=case_id[:64])
    await audited(request, visitor.user.name, "unmask", object=f"case:{case_id}", detail=reason)
    await console.sessions.reveal(visitor.session, case_id)
    return RedirectResponse(f"/cases/{case_id}{query_of(request.query_params).parameters()}", 303)


async def is_revealed(request: Request, visitor: Visitor, case_id: str) -> bool:
    """Whether the session has asked for the identifiers of the case."""
    return await console_of(request).sessions.has_revealed(visitor.session, case_id)


class ShownCase(NamedTuple):
    """A case and its reasons as a visitor sees them. `file` is without its alerts, which are not masked."""

    file: CaseFile
    reasons: CaseReasons


def shown_case(file: CaseFile, *, visible: bool) -> ShownCase:
    """The case of `file` as it is shown to somebody to whom identifiers are `visible`, or not."""
    masking = masking_of(visible, file.case, file.found.alerts.values())
    reasons = masking.shown(reasons_of(file.case, file.found.alerts))
    others = [masking.shown(row) for row in file.others]
    found = file.found._replace(alerts={})
    return ShownCase(file._replace(case=masking.shown(file.case), found=found, others=others), reasons)


def query_for(request: Request, visitor: Visitor) -> QueueQuery:
    """The query in the URL, for the cases that the visitor sees. Who does not see identifiers finds an account by its
    whole id alone: searching for parts would tell what is masked."""
    query = query_of(request.query_params, console_of(request).settings.zone)
    account_parts = not query.text or visitor.may("see_identifiers")  # without a text all have the same query
    return query._replace(account_parts=account_parts, team=visitor.team)
