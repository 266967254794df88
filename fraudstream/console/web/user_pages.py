"""The users, for those who manage them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from fraudstream.console.web.auditing import audited
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, permitted

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


async def _page(request: Request, visitor: Visitor, message: Markup | None) -> Response:
    console = console_of(request)
    users = [(user, await console.sessions.count(user.name)) for user in await console.users.all()]
    return page(request, "users.html", visitor, {"users": users, "message": message})
