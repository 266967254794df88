"""Errors of the API as RFC 9457 problem details: a code for programs and a sentence for people."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response
from redis import RedisError
from starlette.exceptions import HTTPException

from fraudstream.cases.redis_error_text import redis_error_text
from fraudstream.console.access.masking import Masking
from fraudstream.console.web.auditing import request_id_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.words.catalogue import words_of
from fraudstream.operations.case_actions import NoAnswerError, RejectedActionError
from fraudstream.operations.errors import OperationError

MEDIA_TYPE: Final = "application/problem+json"
TITLES: Final[Mapping[int, str]] = {
    400: "Invalid request",
    401: "No valid token",
    403: "Not permitted",
    404: "Not found",
    405: "Method not allowed",
    409: "Refused",
    408: "Too slow",
    412: "The case has changed",
    413: "Too large",
    415: "Unsupported media type",
    422: "The idempotency key was used for another request",
    429: "Too many requests",
    500: "Unforeseen error",
    503: "Unavailable",
    504: "No answer",
}
_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed"}

log = logging.getLogger(__name__)


def is_api_path(path: str) -> bool:
    """Whether it is a path of the API. One with a line break reaches the pages' errors: no mounted path has one."""
    return path.startswith("/api/")


class ProblemError(Exception):
    """The request is answered with `status`, `code` and the sentence `detail`. `headers`: of the answer."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})


def problem(
    request: Request, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem as an answer."""
    body = {
        "type": f"urn:fraudstream:problem:{code}",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id_of(request),
    }
    return Response(json.dumps(body, ensure_ascii=False), status, dict(headers or {}), MEDIA_TYPE)


def problem_of(error: OperationError) -> ProblemError:
    """What an action that did not take place, or not yet, is answered with."""
    match error:
        case RejectedActionError():
            detail = Masking(False, error.case.accounts).text(error.sentence)
            return ProblemError(409, error.code, detail)
        case NoAnswerError():
            return ProblemError(504, "no_answer", error.sentence)
        case _:
            return ProblemError(400, "invalid", error.sentence)


def add_problems(app: FastAPI) -> None:
    """Answer each error as a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(PageError, _on_page_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RedisError, _on_unavailable)
    app.add_exception_handler(OSError, _on_unavailable)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(request, error.status, error.code, error.detail, error.headers)


async def _on_page_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)
    return problem(request, error.status, error.code, words_of("en").text(f"error.{error.code}", **error.values))


async def answer_http_error(request: Request, error: Exception) -> Response:
    """The answer to a path or method that there is not."""
    assert isinstance(error, HTTPException)
    status = error.status_code if error.status_code in _HTTP_CODES else 400
    sentence = f"{request.method} {request.url.path[:200]}: {TITLES[status].lower()}."
    return problem(request, status, _HTTP_CODES.get(status, "invalid"), sentence, error.headers)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RedisError | OSError)
    log.error("Redis cannot be used: %s", redis_error_text(error))
    return problem(request, 503, "unavailable", words_of("en").text("error.unavailable"))
