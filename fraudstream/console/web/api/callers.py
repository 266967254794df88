"""Which program calls the API, and whether its token permits the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request

from fraudstream.console.access.sessions import Session
from fraudstream.console.access.teams import Team
from fraudstream.console.access.tokens import Scope, Token
from fraudstream.console.web.api.problems import ProblemError
from fraudstream.console.web.console import console_of
from fraudstream.console.web.visitors import log_refusal


def scoped(scope: Scope) -> Callable[[Request], Awaitable[Token]]:
    """A dependency of a route: the caller's token, if it has the scope. Raises `ProblemError`."""

    async def caller(request: Request) -> Token:
        token = await _token(request)
        request.state.token_id = token.id
        if scope not in token.scopes:
            log_refusal(request, token.actor, f"token {token.id} has no scope {scope}")
            raise ProblemError(403, "scope", f"This needs a token with the scope {scope}.")
        if wait_s := await console_of(request).request_limits.count_request(token.id):
            raise ProblemError(429, "too_many_requests", f"Try again in {wait_s} s.", {"retry-after": str(wait_s)})
        return token

    return caller


def session_of(token: Token) -> Session:
    """What stands for a session where an event of the audit log is about what a token reads."""
    return Session(token.id, token.actor, b"")


async def _token(request: Request) -> Token:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    token = await console_of(request).tokens.find(text.strip()) if kind.lower() == "bearer" else None
    if token is None:
        if text:
            log_refusal(request, None, "the token is unknown, revoked or expired")
        sentence = "Send a token that is neither revoked nor expired: Authorization: Bearer fst_…"
        raise ProblemError(401, "token", sentence, {"www-authenticate": "Bearer"})
    return token


async def team_of(request: Request, token: Token) -> Team | None:
    """Whose cases the token sees; None: all."""
    return None if token.team is None else await console_of(request).teams.find(token.team)
