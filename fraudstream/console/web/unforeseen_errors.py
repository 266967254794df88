"""The answer to an error that nobody foresaw: a page with the id of the request, and the traceback in the log.

It stands inside `SecurityHeaders`, as the framework's own answer would be outside and have none of them.
"""

from __future__ import annotations

import logging
from typing import Final

from fastapi import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fraudstream.console.web.api.problems import problem
from fraudstream.console.web.auditing import request_id_of
from fraudstream.console.web.error_pages import error_page
from fraudstream.console.web.visitors import known_visitor

_SENTENCE: Final = "An unforeseen error. The log of the console has it under the id of this request."

log = logging.getLogger(__name__)


class UnforeseenErrors:
    """An ASGI application around `app` that raises no error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = has_ended = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun, has_ended
            has_begun = True
            has_ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            request = Request(scope)
            log.exception(
                "an unforeseen error", extra={"request": request_id_of(request), "path": ascii(scope["path"])}
            )
            if has_ended:
                return  # the API has answered
            if has_begun:
                raise  # the connection is closed, so that nobody takes half an answer for a whole one
            await _answer(request)(scope, receive, send)


async def api_answer(request: Request, error: Exception) -> Response:
    """The answer of the API, an application of its own; the error comes here after it."""
    return problem(request, 500, "unforeseen", _SENTENCE)


def _answer(request: Request) -> Response:
    """A page; the bare sentence if the page is what fails."""
    request_id = request_id_of(request)
    try:
        return error_page(request, 500, "error.unforeseen", {"request": request_id}, known_visitor(request))
    except Exception:
        log.exception("the page of the error failed too", extra={"request": request_id})
        return PlainTextResponse(f"{_SENTENCE[:-1]}: {request_id}\n", 500)
