"""Who calls a route, and whether they may: every route except log-in, health and static files asks `permitted`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from fastapi import Request

from fraudstream.console.access import csrf
from fraudstream.console.access.roles import PERMISSIONS, Permission
from fraudstream.console.access.sessions import Session
from fraudstream.console.access.teams import Team
from fraudstream.console.access.users import User
from fraudstream.console.web.auditing import note_result
from fraudstream.console.web.console import address_of, console_of
from fraudstream.console.web.cookies import secret_cookie
from fraudstream.console.web.errors import MustChangePasswordError, NotLoggedInError, PageError
from fraudstream.console.web.forms import form_of

TOKEN_HEADER: Final = "x-csrf-token"  # in place of the field of a form, where the body is none
REFRESH_HEADER: Final = "x-refresh"  # of requests that a page makes by itself: nobody may be there

log = logging.getLogger(__name__)


class Visitor(NamedTuple):
    """A user with their session. `team`: whose cases they see; None: all."""

    user: User
    session: Session
    team: Team | None

    def may(self, permission: Permission) -> bool:
        """Whether the user's role permits it."""
        return permission in PERMISSIONS[self.user.role]


def permitted(permission: Permission) -> Callable[[Request], Awaitable[Visitor]]:
    """A dependency of a route: the visitor, if their role permits it.

    The role is read at each request, so a change counts at once. Raises `NotLoggedInError`, `MustChangePasswordError`
    and `PageError`.
    """

    async def visitor(request: Request) -> Visitor:
        found = await logged_in(request)
        if found.user.must_change:
            raise MustChangePasswordError
        if not found.may(permission):
            log_refusal(request, found.user.name, f"role {found.user.role} does not permit {permission}")
            raise PageError(403, "forbidden", role=found.user.role)
        return found

    return visitor


async def logged_in(request: Request) -> Visitor:
    """A dependency of a route: the visitor, whatever their role. Raises `NotLoggedInError` and, for a form that was not
    ours, `PageError`."""
    found = await visitor_of(request)
    if found is None:
        raise NotLoggedInError
    if request.method not in ("GET", "HEAD"):
        token = request.headers.get(TOKEN_HEADER) or (await form_of(request)).get("csrf", "")
        if not csrf.is_token_of(found.session.csrf_secret, token):
            log_refusal(request, found.user.name, "the form has no token of this session")
            raise PageError(403, "token")
    request.state.visitor = found
    return found


def known_visitor(request: Request) -> Visitor | None:
    """The visitor as a dependency of the route has found them; None if there is none. Asks nobody, so that it answers
    when Redis does not."""
    visitor = getattr(request.state, "visitor", None)
    return visitor if isinstance(visitor, Visitor) else None


async def visitor_of(request: Request) -> Visitor | None:
    """The visitor; None if nobody is logged in."""
    console, session_id = console_of(request), secret_cookie(request, "session")
    is_use = REFRESH_HEADER not in request.headers
    session = await console.sessions.find(session_id, is_use=is_use) if session_id else None
    user = await console.users.find(session.user_name) if session is not None else None
    if session is None or user is None:
        return None
    return Visitor(user, session, None if user.team is None else await console.teams.find(user.team))


def log_refusal(request: Request, user_name: str | None, why: str) -> None:
    """Log that a request was refused, in the audit log too."""
    note_result(request, user_name, "refuse", "refused", object=f"path:{request.url.path}", detail=why)
    log.warning(
        "refused: %s",
        why,
        extra={
            "user": user_name,
            "address": address_of(request),
            "method": request.method,
            "path": request.url.path.encode("unicode_escape").decode(),
        },
    )
