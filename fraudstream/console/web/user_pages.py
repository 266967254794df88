"""The users, for those who manage them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.access.roles import ROLES
from fraudstream.console.access.user_changes import ProvidedRoleError, change_text, changed
from fraudstream.console.web.auditing import audited
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, log_refusal, permitted

router = APIRouter()


@router.get("/users")
async def users_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_users"))]) -> Response:
    """Every user, and how many sessions they have."""
    return await _page(request, visitor, None)


@router.post("/users/end-sessions")
async def end_sessions(request: Request, visitor: Annotated[Visitor, Depends(permitted("manage_users"))]) -> Response:
    """End every session of the user that the form names."""
    console, name = console_of(request), (await form_of(request)).get("name", "")
    if await console.users.find(name) is None:
        raise PageError(400, "invalid")
    await audited(request, visitor.user.name, "end_sessions", object=f"user:{name}")
    count = await console.sessions.revoke_all(name)
    return await _page(request, visitor, words_for(request).markup("users.ended", count=count, name=name))


@router.post("/users/change")
async def change(request: Request, visitor: Annotated[Visitor, Depends(permitted("manage_users"))]) -> Response:
    """Give the user that the form names another role and team, and end their sessions. Nobody changes themselves: the
    last administrator could not take it back, and nobody grants themselves more."""
    console, form = console_of(request), await form_of(request)
    name, team = form.get("name", ""), form.get("team", "")
    user, role = await console.users.find(name), next((each for each in ROLES if each == form.get("role")), None)
    if user is None or role is None or (team and not await console.teams.exists(team)):
        raise PageError(400, "invalid")
    if name == visitor.user.name:
        log_refusal(request, visitor.user.name, "somebody else is to change this user")
        raise PageError(403, "own_user")
    try:
        after = changed(user, role=role, team=team or None, no_team=not team)
    except ProvidedRoleError:
        raise PageError(400, "invalid") from None
    await audited(request, visitor.user.name, "change_user", object=f"user:{name}", detail=change_text(user, after))
    await console.users.put(after)
    count = await console.sessions.revoke_all(name)
    return await _page(request, visitor, words_for(request).markup("users.changed", count=count, name=name))


async def _page(request: Request, visitor: Visitor, message: Markup | None) -> Response:
    console = console_of(request)
    users = [(user, await console.sessions.count(user.name)) for user in await console.users.all()]
    values = {
        "users": users,
        "message": message,
        "roles": ROLES,
        "teams": [team.name for team in await console.teams.all()],
    }
    return page(request, "users.html", visitor, values)
