"""The way to a provider of OpenID Connect and back."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from fraudstream.console.access import csrf
from fraudstream.console.access.openid_login import OpenIdLogin, OpenIdRefusedError
from fraudstream.console.web.auditing import note_result
from fraudstream.console.web.console import console_of
from fraudstream.console.web.cookies import delete_secret_cookie, set_secret_cookie
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.login_pages import form_secret, keep_form_secret, login_page, own_path
from fraudstream.console.web.rendering import words_for
from fraudstream.console.web.visitors import visitor_of

_STATUS: Final = {"state": 403, "provider": 502, "role": 403, "name": 403}

router = APIRouter()


@router.get("/login/openid")
async def begin(request: Request) -> Response:
    """Lead to the provider."""
    openid, secret = _openid(request), form_secret(request) or csrf.new_secret()
    try:
        url = await openid.begin(secret, own_path(request.query_params.get("next")))
    except OpenIdRefusedError as refused:
        return _refused(request, refused)
    response = RedirectResponse(url, 303)
    keep_form_secret(request, response, secret)
    return response


@router.get("/login/openid/callback")
async def finish(request: Request) -> Response:
    """The browser comes back with a code, or with the provider's refusal."""
    openid, parameters = _openid(request), request.query_params
    try:
        done = await openid.finish(form_secret(request), parameters.get("state", ""), parameters.get("code", ""))
    except OpenIdRefusedError as refused:
        return _refused(request, refused)
    if (before := await visitor_of(request)) is not None:
        await console_of(request).sessions.revoke(before.session)
    name = done.session.user_name
    note_result(request, name, "log_in", "done", object=f"user:{name}", detail="OpenID Connect")
    response = RedirectResponse(done.wanted, 303)
    set_secret_cookie(request, response, "session", done.session.id)
    delete_secret_cookie(request, response, "login")
    return response


def _openid(request: Request) -> OpenIdLogin:
    openid = console_of(request).openid
    if openid is None:
        raise PageError(404, "not_found")
    return openid


def _refused(request: Request, refused: OpenIdRefusedError) -> Response:
    about = None if refused.name is None else f"user:{refused.name}"
    note_result(request, None, "log_in", "failed", object=about, detail=f"OpenID Connect: {refused.code}")
    sentence = words_for(request).text(f"login.openid_{refused.code}")
    return login_page(request, "/", sentence, _STATUS[refused.code])
