"""Files of a case: added by a request whose body is the file, listed on the case's page, given to be saved.

A body of its own needs no parser of forms, is measured while it comes, and is sent by no form of another site: its
token is in a header.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup
from starlette.requests import ClientDisconnect

from fraudstream.console.evidence import EvidenceDesk
from fraudstream.console.web.action_results import refused_text, status_of
from fraudstream.console.web.case_evidence import FILE_ERRORS, given, listed, taken
from fraudstream.console.web.case_files import file_for
from fraudstream.console.web.case_pages import acted_page, case_page_of
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.identifier_pages import is_revealed
from fraudstream.console.web.rendering import words_for
from fraudstream.console.web.visitors import TOKEN_HEADER, Visitor, log_refusal, permitted
from fraudstream.evidence.store import FileError
from fraudstream.operations.errors import OperationError

router = APIRouter()


@router.post("/cases/{case_id}/files")
async def attach(
    request: Request, case_id: str, visitor: Annotated[Visitor, Depends(permitted("act_on_cases"))]
) -> Response:
    """Add the body of the request to a case, as a file with the name `name`. The page says what came of it."""
    evidence, name = _evidence(request), request.query_params.get("name", "")
    if TOKEN_HEADER not in request.headers:  # the token was in a form, so the body is no file
        raise PageError(415, "invalid")
    found = await file_for(request, visitor.user.name, visitor.team, case_id)
    if found is None:
        raise PageError(404, "no_case", case=case_id[:64])
    words = words_for(request)
    try:
        file = await taken(request, evidence, found.case, visitor.user.name, name)
    except FileError as error:
        status, message = FILE_ERRORS[type(error)][0], file_error_text(request, error, evidence)
        return await case_page_of(request, visitor, case_id, found, message, status)
    except OperationError as error:
        return await case_page_of(request, visitor, case_id, found, refused_text(words, error), status_of(error))
    except ClientDisconnect:
        raise PageError(400, "invalid") from None
    return await acted_page(request, visitor, case_id, "attach", f"attach sha256:{file.sha256}", {"file": file})


@router.get("/cases/{case_id}/files/{sha256}")
async def download(
    request: Request, case_id: str, sha256: str, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]
) -> Response:
    """A file of a case, to be saved. A file is never masked: it is for those who see the identifiers of the case."""
    evidence = _evidence(request)
    found = await file_for(request, visitor.user.name, visitor.team, case_id)
    if found is None:
        raise PageError(404, "no_case", case=case_id[:64])
    if not (visitor.may("see_identifiers") or await is_revealed(request, visitor, case_id)):
        why = f"role {visitor.user.role} does not permit see_identifiers, and the case is not revealed"
        log_refusal(request, visitor.user.name, why)
        raise PageError(403, "masked_file")
    if (file := listed(found.case, sha256)) is None:
        raise PageError(404, "no_file")
    try:
        return await given(request, evidence, found.case, file, visitor.user.name)
    except FileError as error:
        status, code = FILE_ERRORS[type(error)]
        raise PageError(status, "damaged_file" if code == "damaged" else "no_file") from error


def file_error_text(request: Request, error: FileError, evidence: EvidenceDesk) -> Markup:
    """Why a file was not taken."""
    code = FILE_ERRORS[type(error)][1]
    return words_for(request).markup(f"file_refused.{code}", megabytes=f"{evidence.bytes_max / 1e6:g}")


def _evidence(request: Request) -> EvidenceDesk:
    """Raises `PageError` where files cannot be kept."""
    evidence = console_of(request).evidence
    if evidence is None:
        raise PageError(404, "no_evidence")
    return evidence
