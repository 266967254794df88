"""Log-in, log-out and the change of one's password."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from fraudstream.console.access import csrf
from fraudstream.console.access.login import LoginRefusal, LoginRefusedError
from fraudstream.console.access.passwords import CHARACTERS_MAX, CHARACTERS_MIN, is_acceptable
from fraudstream.console.web.auditing import note_result
from fraudstream.console.web.console import address_of, console_of
from fraudstream.console.web.cookies import delete_secret_cookie, secret_cookie, set_secret_cookie
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, log_refusal, logged_in, visitor_of
from fraudstream.contracts.audit_record import AuditOutcome

NAME_CHARACTERS_MAX: Final = 128
_OUTCOME: Final[Mapping[LoginRefusal, AuditOutcome]] = {"wrong": "failed", "locked": "locked", "busy": "refused"}
_STATUS: Final = {"wrong": 401, "locked": 429, "busy": 503}

router = APIRouter()


@router.get("/login")
async def login_form(request: Request) -> Response:
    """The form. Somebody who is logged in goes on to the queue."""
    if await visitor_of(request) is not None:
        return RedirectResponse(own_path(request.query_params.get("next")), 303)
    return login_page(request, own_path(request.query_params.get("next")), None, 200)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Check name and password. The session is a new one: an id that was known before is worth nothing."""
    form = await form_of(request)
    wanted = own_path(form.get("next"))
    secret = form_secret(request)
    if secret is None or not csrf.is_token_of(secret, form.get("csrf", "")):
        log_refusal(request, None, "the log-in form has no token of this browser")
        return login_page(request, wanted, words_for(request).text("login.expired"), 403)
    name = form.get("name", "")[:NAME_CHARACTERS_MAX]
    console = console_of(request)
    try:
        session = await console.login.log_in(name, form.get("password", ""), address_of(request))
    except LoginRefusedError as refused:
        outcome = _OUTCOME[refused.code]
        note_result(request, None, "log_in", outcome, object=f"user:{name}")
        sentence = words_for(request).text(f"login.{refused.code}", minutes=-(-refused.wait_s // 60))
        return login_page(request, wanted, sentence, _STATUS[refused.code])
    if (before := await visitor_of(request)) is not None:
        await console.sessions.revoke(before.session)
    note_result(request, session.user_name, "log_in", "done", object=f"user:{session.user_name}")
    response = RedirectResponse(wanted, 303)
    set_secret_cookie(request, response, "session", session.id)
    delete_secret_cookie(request, response, "login")
    return response


@router.post("/logout")
async def log_out(request: Request, visitor: Annotated[Visitor, Depends(logged_in)]) -> Response:
    """End the session; of who has logged in at a provider, there too.

    The policy of the pages permits no form that leads to another site, so the browser goes there from a page.
    """
    console = console_of(request)
    provider_url = None if console.openid is None else await console.openid.log_out_url(visitor.session)
    await console.sessions.revoke(visitor.session)
    note_result(request, visitor.user.name, "log_out", "done", object=f"user:{visitor.user.name}")
    response: Response = RedirectResponse("/login", 303)
    if provider_url is not None:
        response = page(request, "logged_out.html", None, {"provider_url": provider_url})
    delete_secret_cookie(request, response, "session")
    return response


@router.get("/password")
async def password_form(request: Request, visitor: Annotated[Visitor, Depends(logged_in)]) -> Response:
    """The form for a new password."""
    return _password_page(request, visitor, None, 200)


@router.post("/password")
async def change_password(request: Request, visitor: Annotated[Visitor, Depends(logged_in)]) -> Response:
    """Change one's password. All other sessions of the user end."""
    form, words, console = await form_of(request), words_for(request), console_of(request)
    current, new = form.get("current", ""), form.get("new", "")
    if not is_acceptable(new):
        sentence = words.text("password.short", count=CHARACTERS_MIN, most=CHARACTERS_MAX)
        return _password_page(request, visitor, sentence, 400)
    if new != form.get("again") or new == current:
        sentence = words.text("password.same" if new == current else "password.differ")
        return _password_page(request, visitor, sentence, 400)
    try:
        session = await console.login.change_password(visitor.user, current, new, address_of(request))
    except LoginRefusedError as refused:
        about = f"user:{visitor.user.name}"
        note_result(request, visitor.user.name, "change_password", _OUTCOME[refused.code], object=about)
        key = "password.wrong" if refused.code == "wrong" else f"login.{refused.code}"
        sentence = words.text(key, minutes=-(-refused.wait_s // 60))
        return _password_page(request, visitor, sentence, _STATUS[refused.code])
    note_result(request, visitor.user.name, "change_password", "done", object=f"user:{visitor.user.name}")
    response = RedirectResponse("/", 303)
    set_secret_cookie(request, response, "session", session.id)
    return response


def own_path(wanted: str | None) -> str:
    """`wanted`, if it is a path of this console, else the queue: a link to the log-in cannot lead to another site.

    >>> own_path("/cases/b42b?order=score"), own_path("//evil.example/"), own_path("https://evil.example")
    ('/cases/b42b?order=score', '/', '/')
    """
    if wanted is None or not wanted.startswith("/") or wanted.startswith("//") or not wanted.isprintable():
        return "/"
    if "\\" in wanted or not wanted.isascii() or urlsplit(wanted).netloc:
        return "/"
    return wanted


def login_page(request: Request, wanted: str, sentence: str | None, status: int) -> Response:
    """The form, with a token of a secret that this browser keeps."""
    secret = form_secret(request) or csrf.new_secret()
    openid = None if console_of(request).openid is None else f"/login/openid?next={quote(wanted, safe='')}"
    values = {"wanted": wanted, "sentence": sentence, "token": csrf.masked_token(secret), "openid": openid}
    response = page(request, "login.html", None, values, status)
    keep_form_secret(request, response, secret)
    return response


def keep_form_secret(request: Request, response: Response, secret: bytes) -> None:
    """Let the browser keep the secret of its log-in."""
    set_secret_cookie(request, response, "login", base64.urlsafe_b64encode(secret).decode())


def form_secret(request: Request) -> bytes | None:
    """The secret that the browser keeps; None if it has none of ours."""
    try:
        secret = base64.urlsafe_b64decode((secret_cookie(request, "login") or "").encode())
    except (binascii.Error, UnicodeEncodeError):
        return None
    return secret if len(secret) == csrf.SECRET_BYTES else None


def _password_page(request: Request, visitor: Visitor, sentence: str | None, status: int) -> Response:
    values = {"sentence": sentence, "count": CHARACTERS_MIN}
    return page(request, "password.html", visitor, values, status)
