"""The report of a case for programs."""

from __future__ import annotations

from typing import Annotated, Final, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from fraudstream.console.access.tokens import Token
from fraudstream.console.report.builder import ReportRequest
from fraudstream.console.report.content import FORMATS
from fraudstream.console.web.api.callers import scoped
from fraudstream.console.web.api.case_routes import found_case
from fraudstream.console.web.api.requests import parameters_of
from fraudstream.console.web.console import console_of
from fraudstream.console.web.report_pages import ReportFormat, exported
from fraudstream.console.words.catalogue import DEFAULT_LANGUAGE, LANGUAGES, words_of

CHOICES: Final = {"format": FORMATS, "language": tuple(LANGUAGES)}

router = APIRouter()


@router.get("/cases/{case_id}/report")
async def report(request: Request, case_id: str, token: Annotated[Token, Depends(scoped("cases:export"))]) -> Response:
    """The report of a case: JSON, or PDF with `format`."""
    parameters = parameters_of(request, (), CHOICES)
    file = await found_case(request, token, case_id)
    console = console_of(request)
    words = words_of(parameters.get("language", DEFAULT_LANGUAGE))
    visible = "identifiers:read" in token.scopes
    made = ReportRequest(token.actor, console.now_ms(), words, console.settings.zone, visible)
    answer = (await exported(request, file, made, cast(ReportFormat, parameters.get("format", "json")))).response()
    answer.headers["vary"] = "authorization"
    return answer
