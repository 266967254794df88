"""The report of a case as a file: PDF or JSON. What leaves is in the audit log first, with its digest."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Final, Literal, NamedTuple, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from fraudstream.console.desk import CaseFile
from fraudstream.console.past import Missing, PastDesk
from fraudstream.console.report.builder import (
    CaseMaterial,
    Past,
    ReportRequest,
    past_accounts,
    past_of,
    past_rows,
    past_since_ms,
    report_of,
)
from fraudstream.console.report.content import FORMATS, Report, json_of
from fraudstream.console.report.pdf import pdf_of
from fraudstream.console.web.auditing import audited
from fraudstream.console.web.case_files import file_for
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.identifier_pages import is_revealed
from fraudstream.console.web.rendering import words_for
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.console.words.catalogue import words_of
from fraudstream.contracts import Case

ReportFormat = Literal["pdf", "json"]
MEDIA_TYPES: Final[dict[ReportFormat, str]] = {"pdf": "application/pdf", "json": "application/json"}
ALERTS_S_MAX: Final = 8.0  # how long a report waits for alerts that are being read
ALERTS_POLL_S: Final = 0.2

router = APIRouter()


class Exported(NamedTuple):
    """A report as bytes."""

    content: bytes
    format: ReportFormat
    case_id: str

    def response(self) -> Response:
        """As a file to save."""
        name = f"case-{self.case_id[:32]}.{self.format}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(self.content, 200, headers, MEDIA_TYPES[self.format])


@router.get("/cases/{case_id}/report")
async def report(
    request: Request, case_id: str, visitor: Annotated[Visitor, Depends(permitted("export_cases"))]
) -> Response:
    """The report of a case, in the visitor's language; `format` is pdf or json."""
    kind = request.query_params.get("format", "pdf")
    if kind not in FORMATS:
        raise PageError(404, "not_found")
    file = await file_for(request, visitor.user.name, visitor.team, case_id)
    if file is None:
        raise PageError(404, "no_case", case=case_id[:64])
    visible = visitor.may("see_identifiers") or await is_revealed(request, visitor, case_id)
    made = ReportRequest(
        visitor.user.name,
        console_of(request).now_ms(),
        words_for(request),
        console_of(request).settings.zone,
        visible,
    )
    return (await exported(request, file, made, cast(ReportFormat, kind))).response()


async def exported(request: Request, file: CaseFile, made: ReportRequest, kind: ReportFormat) -> Exported:
    """The report, once the audit log has what leaves. Raises `PageError` if it cannot be written."""
    found = report_of(await _material(request, file), made)
    content = await _rendered(request, found, kind, made)
    about = f"{kind}, identifiers {found.identifiers}, sha256:{hashlib.sha256(content).hexdigest()}"
    await audited(request, made.actor, "export", object=f"case:{file.case.case_id}", detail=about)
    return Exported(content, kind, file.case.case_id)


async def _rendered(request: Request, found: Report, kind: ReportFormat, made: ReportRequest) -> bytes:
    if kind == "json":
        return json_of(found)
    async with console_of(request).rendering:
        return await asyncio.to_thread(pdf_of, found, words_of(found.language), made.zone)


async def _material(request: Request, file: CaseFile) -> CaseMaterial:
    console, case_id = console_of(request), file.case.case_id
    waits = round(ALERTS_S_MAX / ALERTS_POLL_S)
    others = [row.case_id for row in file.others]
    while file.found.missing == "reading" and waits > 0:
        await asyncio.sleep(ALERTS_POLL_S)
        waits -= 1
        file = await console.desk.open_case(case_id) or file
    since_ms = past_since_ms(file.case)
    return CaseMaterial(file.case, file.found.alerts, others, await _past(console.past, file.case, since_ms))


async def _past(desk: PastDesk, case: Case, since_ms: int) -> Past | Missing:
    """The payments of the case's accounts; why there are none, if one of the questions has no answer."""
    found = []
    for account_id in past_accounts(case):
        payments = await desk.payments(account_id, since_ms, past_rows(case))
        if isinstance(payments, str):
            return payments
        found.append(payments)
    return past_of(case, since_ms, found)
