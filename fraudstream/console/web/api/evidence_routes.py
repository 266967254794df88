"""Files of a case for programs: one is added by a request whose body it is, and given as bytes."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from fraudstream.console.access.tokens import Token
from fraudstream.console.evidence import EvidenceDesk
from fraudstream.console.web.api.callers import scoped
from fraudstream.console.web.api.case_routes import AskedAction, action_id_of, answered_once, found_case
from fraudstream.console.web.api.problems import ProblemError, problem_of
from fraudstream.console.web.api.requests import parameters_of
from fraudstream.console.web.case_evidence import FILE_ERRORS, given, listed, taken
from fraudstream.console.web.console import console_of
from fraudstream.evidence.store import FileError
from fraudstream.operations.case_actions import ActionDetails
from fraudstream.operations.errors import OperationError

TEXTS: Final = ("name",)

router = APIRouter()


@router.post("/cases/{case_id}/files")
async def attach(request: Request, case_id: str, token: Annotated[Token, Depends(scoped("cases:act"))]) -> Response:
    """Add the body to a case as a file, and wait for the case agent's answer. `Idempotency-Key` as for actions; a
    repeated request has the same file."""
    evidence, name = _evidence(request), parameters_of(request, TEXTS, {}).get("name")
    if name is None:
        raise ProblemError(400, "invalid", "Give the file's name: ?name=statement.pdf.")
    action_id = action_id_of(request, token)
    case = (await found_case(request, token, case_id)).case
    try:
        repeated = await console_of(request).kept_answers.is_known(action_id)
        file = await taken(request, evidence, case, token.actor, name, repeated=repeated)
    except FileError as error:
        raise _problem_of(error) from error
    except OperationError as error:
        raise problem_of(error) from error
    except ClientDisconnect:
        raise ProblemError(400, "invalid", "The body has not come whole.") from None

    def details(expected_version: int | None) -> ActionDetails:
        return ActionDetails(file=file, expected_version=expected_version)

    asked = AskedAction(case.case_id, "attach", f"attach sha256:{file.sha256}", details)
    identity = "\0".join((case.case_id, "attach", file.sha256, file.file_name, file.media_type))
    return await answered_once(request, token, action_id, asked, identity.encode())


@router.get("/cases/{case_id}/files/{sha256}")
async def download(
    request: Request, case_id: str, sha256: str, token: Annotated[Token, Depends(scoped("cases:read"))]
) -> Response:
    """The bytes of a file. They are not masked, so the token needs the scope identifiers:read, too."""
    parameters_of(request, (), {})
    evidence = _evidence(request)
    case = (await found_case(request, token, case_id)).case
    if "identifiers:read" not in token.scopes:
        raise ProblemError(403, "scope", "A file is not masked: this needs a token with the scope identifiers:read.")
    if (file := listed(case, sha256)) is None:
        raise ProblemError(404, "no_file", "The case has no file of this digest.")
    try:
        answer = await given(request, evidence, case, file, token.actor)
    except FileError as error:
        raise _problem_of(error) from error
    answer.headers["vary"] = "authorization"
    return answer


def _problem_of(error: FileError) -> ProblemError:
    status, code = FILE_ERRORS[type(error)]
    return ProblemError(status, code, error.sentence)


def _evidence(request: Request) -> EvidenceDesk:
    """Raises `ProblemError` where files cannot be kept."""
    evidence = console_of(request).evidence
    if evidence is None:
        raise ProblemError(404, "no_evidence", "Files are not kept here: the setting evidence.directory is not set.")
    return evidence
