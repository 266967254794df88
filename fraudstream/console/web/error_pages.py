"""The answers to requests that a route did not answer: a page with one sentence, or the way to the log-in.

Somebody who is logged in finds the menu on each of these pages.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from redis import RedisError
from starlette.exceptions import HTTPException

from fraudstream.cases.redis_error_text import redis_error_text
from fraudstream.console.web.api.problems import answer_http_error, is_api_path
from fraudstream.console.web.errors import MustChangePasswordError, NotLoggedInError, PageError
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, known_visitor, visitor_of

log = logging.getLogger(__name__)


def add_error_pages(app: FastAPI) -> None:
    """Answer each error with its page."""
    app.add_exception_handler(PageError, _on_page_error)
    app.add_exception_handler(NotLoggedInError, _on_not_logged_in)
    app.add_exception_handler(MustChangePasswordError, _on_must_change)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RedisError, _on_unavailable)
    app.add_exception_handler(OSError, _on_unavailable)


def error_page(
    request: Request, status: int, key: str, values: dict[str, str] | None = None, visitor: Visitor | None = None
) -> Response:
    """The page with the sentence `key` of the words. `visitor`: whose menu it has; None: none."""
    sentence = words_for(request).markup(key, **(values or {}))
    return page(request, "error.html", visitor, {"sentence": sentence}, status)


async def _on_page_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)
    values = dict(error.values)
    if "role" in values:
        values["role"] = words_for(request).text(f"role.{values['role']}")
    return error_page(request, error.status, f"error.{error.code}", values, await _whoever_asks(request))


async def _on_not_logged_in(request: Request, error: Exception) -> Response:
    """A page leads to the log-in and back; a script or a form is told."""
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse("/login" + ("" if wanted == "/" else f"?next={quote(wanted, safe='')}"), 303)
    return PlainTextResponse("Log in first.", 401)


async def _on_must_change(request: Request, error: Exception) -> Response:
    return RedirectResponse("/password", 303)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """The answer to an address that there is not, or that does not take this method."""
    assert isinstance(error, HTTPException)
    if is_api_path(request.url.path):
        return await answer_http_error(request, error)
    key = "error.invalid"
    if error.status_code == 404:
        key = "error.not_found"
    elif error.status_code == 405 and request.method in ("GET", "HEAD"):
        key = "error.only_forms"
    answer = error_page(request, error.status_code, key, visitor=await _whoever_asks(request))
    answer.headers.update(error.headers or {})
    return answer


async def _on_unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RedisError | OSError)
    log.error("Redis cannot be used: %s", redis_error_text(error))
    return error_page(request, 503, "error.unavailable", visitor=known_visitor(request))


async def _whoever_asks(request: Request) -> Visitor | None:
    """The visitor, also where no route has asked who it is; None if there is none, or Redis does not answer."""
    known = known_visitor(request)
    if known is not None:
        return known
    try:
        return await visitor_of(request)
    except (RedisError, OSError):
        return None
