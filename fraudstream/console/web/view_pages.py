"""Saving and removing views of the queue."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from fraudstream.console.queue_query import query_of
from fraudstream.console.saved_views import SavedView, TooManyViewsError, is_view_name
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.visitors import Visitor, log_refusal, permitted

router = APIRouter()


@router.post("/views")
async def save_view(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]) -> Response:
    """Save the query of the form under a name. Shared views are of those who act on cases."""
    form, console = await form_of(request), console_of(request)
    name, is_shared = form.get("name", "").strip(), bool(form.get("shared"))
    if not is_view_name(name):
        raise PageError(400, "invalid")
    if is_shared and not visitor.may("act_on_cases"):
        log_refusal(request, visitor.user.name, f"role {visitor.user.role} does not permit to share views")
        raise PageError(403, "forbidden", role=visitor.user.role)
    query = query_of(dict(parse_qsl(form.get("parameters", "").removeprefix("?"))), console.settings.zone)
    try:
        saved = await console.views.save(SavedView(name, query.parameters(), visitor.user.name, is_shared))
    except TooManyViewsError:
        raise PageError(400, "too_many_views") from None
    if not saved:
        raise PageError(409, "view_of_other")
    return RedirectResponse(f"/{query.parameters()}", 303)


@router.post("/views/remove")
async def remove_view(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]) -> Response:
    """Remove a view of one's own; those who manage users remove every shared one."""
    form, views = await form_of(request), console_of(request).views
    name, user = form.get("name", ""), visitor.user.name
    if form.get("shared"):
        removed = await views.remove_shared(name, None if visitor.may("manage_users") else user)
    else:
        removed = await views.remove(name, user)
    if not removed:
        raise PageError(404, "no_view")
    return RedirectResponse("/", 303)
