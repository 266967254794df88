"""The cookies of the console: the session, the secret of the log-in form, and the choices of language and theme.

Over HTTPS their names begin with `__Host-`, so that no other host of the domain can set them.
"""

from __future__ import annotations

from typing import Final, Literal

from fastapi import Request, Response

from fraudstream.console.web.console import console_of

LANGUAGE: Final = "language"
THEME: Final = "theme"
SecretCookie = Literal["session", "login"]


def secret_cookie(request: Request, name: SecretCookie) -> str | None:
    """The value that the browser has sent."""
    return request.cookies.get(_name(request, name))


def set_secret_cookie(request: Request, response: Response, name: SecretCookie, value: str) -> None:
    """Set it for as long as the browser runs; scripts cannot read it, and other sites cannot send it with forms."""
    response.set_cookie(
        _name(request, name), value, path="/", httponly=True, samesite="lax", secure=console_of(request).settings.https
    )


def delete_secret_cookie(request: Request, response: Response, name: SecretCookie) -> None:
    """Remove it from the browser."""
    response.delete_cookie(
        _name(request, name), path="/", httponly=True, samesite="lax", secure=console_of(request).settings.https
    )


def _name(request: Request, name: SecretCookie) -> str:
    return f"{'__Host-' if console_of(request).settings.https else ''}fraudstream-{name}"
