"""The application: its paths, and who may do what. Its hot path makes no object of a web framework."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from fraudstream.gateway.access.authentication import AccessError, Authentication
from fraudstream.gateway.access.clients import Client
from fraudstream.gateway.access.clients import Scope as Permission
from fraudstream.gateway.access.rate_limits import RateLimits
from fraudstream.gateway.decider import Decider
from fraudstream.gateway.settings import GatewaySettings
from fraudstream.gateway.submission import Decided, Refusal, Unanswered
from fraudstream.gateway.web.answers import JSON, TEXT, TITLES, HttpAnswer, ProblemError, problem, refusal, refusal_body
from fraudstream.gateway.web.connection import CERTIFICATE
from fraudstream.gateway.web.openapi import description
from fraudstream.gateway.web.request_span import end_request, request_span
from fraudstream.gateway.web.requests import body_of, deadline_of, headers_of, payments_of
from fraudstream.tracing.current import current_context, working_for
from fraudstream.tracing.ports import UNTRACED, Tracer

BUSY_S: Final = 1  # after which a caller that was turned away may try again
EVENT_ID_CHARACTERS_MAX: Final = 128
DECISIONS: Final = "/v1/decisions"

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


class ObservesRequests(Protocol):
    """What the application reports."""

    def on_request(self, status: int) -> None:
        """A request was answered."""

    def on_turned_away(self, client: str, reason: str) -> None:
        """A request of a client was not taken: `rate` of the client, or `load` of the gateway."""


class Gateway(NamedTuple):
    """What the application consists of. `unready`: why requests are not taken now; None if they are. `tracer`: of
    requests for decisions."""

    settings: GatewaySettings
    decider: Decider
    authentication: Authentication
    limits: RateLimits
    observer: ObservesRequests
    unready: Callable[[], str | None]
    tracer: Tracer = UNTRACED


class _Api:
    """The paths of the API."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def decide(self, scope: Scope, receive: Receive) -> HttpAnswer:
        """POST /v1/decisions."""
        gateway, headers = self._gateway, headers_of(scope)
        client = await self._client(scope, headers, "decide")
        body = await body_of(headers, receive, gateway.settings.body_bytes_max)
        if (why := gateway.unready()) is not None:
            raise ProblemError(503, "unavailable", f"{why}.", {"retry-after": str(BUSY_S)})
        deadline_ms = deadline_of(headers, gateway.settings)
        payments = payments_of(body, headers, client.digest, gateway.settings)
        self._check_limits(client, len(payments.values))
        answers = await gateway.decider.decide(payments.values, client.digest, deadline_ms, current_context())
        if payments.is_batch:
            return HttpAnswer(200, JSON, b"[" + b",".join(map(_body, answers)) + b"]")
        (answer,) = answers
        return refusal(answer) if isinstance(answer, Refusal) else HttpAnswer(200, JSON, _body(answer))

    async def find(self, scope: Scope, receive: Receive) -> HttpAnswer:
        """GET /v1/decisions/{event_id}."""
        client = await self._client(scope, headers_of(scope), "read")
        event_id = str(scope["path_params"]["event_id"])
        answer = self._gateway.decider.find(client.digest, event_id)
        if answer is None:
            raise ProblemError(
                404,
                "not_found",
                f"This gateway has no decision on {event_id[:EVENT_ID_CHARACTERS_MAX]!r} of yours. Send the payment "
                "again: it gets its first decision.",
            )
        return refusal(answer) if isinstance(answer, Refusal) else HttpAnswer(200, JSON, answer.value)

    async def describe(self, scope: Scope, receive: Receive) -> HttpAnswer:
        """GET /openapi.json."""
        return HttpAnswer(200, JSON, _encode(description()))

    async def health(self, scope: Scope, receive: Receive) -> HttpAnswer:
        """GET /healthz: the process answers."""
        return HttpAnswer(200, TEXT, b"ok\n")

    async def readiness(self, scope: Scope, receive: Receive) -> HttpAnswer:
        """GET /readyz: whether requests are taken."""
        why = self._gateway.unready()
        return HttpAnswer(200, TEXT, b"ok\n") if why is None else HttpAnswer(503, TEXT, f"{why}\n".encode())

    async def _client(self, scope: Scope, headers: Mapping[str, str], permission: Permission) -> Client:
        certificate = scope.get("state", {}).get(CERTIFICATE)
        try:
            client = await self._gateway.authentication.client(headers, certificate)
        except AccessError as error:
            code = "unavailable" if error.status == 503 else "not_authenticated"
            more = {"retry-after": str(BUSY_S)} if error.status == 503 else {"www-authenticate": "Bearer"}
            raise ProblemError(error.status, code, error.sentence, more) from error
        if permission not in client.scopes:
            raise ProblemError(403, "not_allowed", f"The client {client.name} lacks the scope {permission}.")
        return client

    def _check_limits(self, client: Client, payments: int) -> None:
        gateway = self._gateway
        if not gateway.decider.has_room_for(payments):
            gateway.observer.on_turned_away(client.name, "load")
            sentence = "Too many payments wait for their decisions. Try again, or at another gateway."
            raise ProblemError(429, "load", sentence, {"retry-after": str(BUSY_S)})
        wait_s = gateway.limits.take(client.name, client.payments_per_second, payments)
        if wait_s:
            gateway.observer.on_turned_away(client.name, "rate")
            sentence = f"The client {client.name} may send {client.payments_per_second} payments a second."
            raise ProblemError(429, "rate", sentence, {"retry-after": str(wait_s)})


def create_app(gateway: Gateway) -> ASGIApp:
    """The application."""
    api = _Api(gateway)

    def path(route: str, method: str, handler: _Handler) -> Route:
        return Route(route, _Endpoint(handler, gateway.observer), methods=[method])

    deciding = _TracedEndpoint(_Endpoint(api.decide, gateway.observer), gateway.tracer, DECISIONS)

    router = Router(
        [
            Route(DECISIONS, deciding, methods=["POST"]),  # of other methods it makes problems
            path("/v1/decisions/{event_id:path}", "GET", api.find),
            path("/openapi.json", "GET", api.describe),
            path("/healthz", "GET", api.health),
            path("/readyz", "GET", api.readiness),
        ],
        redirect_slashes=False,
    )
    return _Answered(router, gateway.observer, deciding)


class _Handler(Protocol):
    async def __call__(self, scope: Scope, receive: Receive) -> HttpAnswer:
        """The answer to a request. Raises `ProblemError`."""


class _Endpoint:
    """A handler as an application of its own, for `Route`."""

    def __init__(self, handler: _Handler, observer: ObservesRequests) -> None:
        self._handler, self._observer = handler, observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self.answer(scope, receive)
        await answer.send(send)

    async def answer(self, scope: Scope, receive: Receive) -> HttpAnswer:
        """The answer of the handler, or the problem that it has."""
        try:
            answer = await self._handler(scope, receive)
        except ProblemError as error:
            answer = problem(error)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"][:200])
            answer = problem(ProblemError(500, "unforeseen", "The gateway failed. Its log says why."))
        self._observer.on_request(answer.status)
        return answer


class _TracedEndpoint:
    """An endpoint whose requests have spans."""

    def __init__(self, endpoint: _Endpoint, tracer: Tracer, route: str) -> None:
        self._endpoint, self._tracer, self._route = endpoint, tracer, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        span = request_span(self._tracer, self._route, scope)
        if span is None:
            await self._endpoint(scope, receive, send)
            return
        try:
            with working_for(span.context):
                answer = await self._endpoint.answer(scope, receive)
            await answer.send(send)
        except BaseException as error:
            span.end(error=type(error).__name__)
            raise
        end_request(span, answer.status)


class _Answered:
    """The router; a path or method that there is not is a problem, too. Payments go past it."""

    def __init__(self, router: Router, observer: ObservesRequests, deciding: ASGIApp) -> None:
        self._router, self._observer, self._deciding = router, observer, deciding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == DECISIONS and scope["method"] == "POST":
            await self._deciding(scope, receive, send)
            return
        scope["app"] = self  # the router raises, rather than answers, for an application's sake
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid")
            sentence = f"{scope['method']} {scope['path'][:200]}: {TITLES.get(error.status_code, 'not taken').lower()}."
            self._observer.on_request(error.status_code)
            await problem(ProblemError(error.status_code, code, sentence, error.headers)).send(send)


def _body(answer: Decided | Refusal | Unanswered) -> bytes:
    match answer:
        case Decided():
            return answer.value
        case Refusal():
            return refusal_body(answer)
        case Unanswered():
            return _encode(answer)
