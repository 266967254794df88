"""A provider of OpenID Connect: its addresses, its keys, and the identity that one of its tokens proves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fraudstream.console.access.openid_settings import OpenIdSettings
from fraudstream.contracts.error_text import error_text
from fraudstream.openid.fetching import Fetch, is_safe_url

ALGORITHMS: Final = ["RS256", "PS256", "ES256"]  # never "none", never one with a shared secret
LEEWAY_S: Final = 60
ID_TOKEN_CHARACTERS_MAX: Final = 6_000  # in an address; without it the provider asks the user
KEPT_S: Final = 600  # how long addresses and keys are used before they are asked for again
NEW_KEYS_S: Final = 30  # and at least, however many tokens fail


class ProviderError(Exception):
    """The provider does not answer, or not as it must. The text says why, for the log."""


class Identity(NamedTuple):
    """Who has logged in. `subject`: never given to anybody else by this issuer. `id_token`: that says so."""

    subject: str
    claims: Mapping[str, Any]
    id_token: str = ""


class _Known(NamedTuple):
    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str | None
    keys: KeySet
    known_at_s: float


class OpenIdProvider:
    """Talks to the provider. `fetch`: GET, or POST of a form. `now_s`: the clock, seconds since the epoch."""

    def __init__(self, settings: OpenIdSettings, fetch: Fetch, now_s: Callable[[], float]) -> None:
        self._settings, self._fetch, self._now_s = settings, fetch, now_s
        self._known: _Known | None = None

    async def log_in_url(self, state: str, nonce: str, challenge: str) -> str:
        """Where the browser asks the user to log in. `challenge`: of PKCE, S256. Raises `ProviderError`."""
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = (await self._addresses()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"

    async def identity(self, code: str, verifier: str, nonce: str) -> Identity:
        """Who the code stands for. Raises `ProviderError` if it stands for nobody, or the token proves nothing."""
        settings, known = self._settings, await self._addresses()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect_uri,
            "client_id": settings.client_id,
            "code_verifier": verifier,
        }
        if settings.client_secret is not None:
            form["client_secret"] = settings.client_secret
        id_token = str((await self._json(known.token_endpoint, form)).get("id_token", ""))
        try:
            claims = jwt.decode(id_token, known.keys, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError) as error:
            if self._now_s() - known.known_at_s > NEW_KEYS_S:
                self._known = None  # it may have new keys: the next log-in asks for them
            raise ProviderError(f"the signature of the token does not hold: {type(error).__name__}") from error
        return self._identity(claims, nonce)._replace(id_token=id_token)

    async def log_out_url(self, id_token: str) -> str | None:
        """Where the browser ends the session at the provider, which then leads back (OpenID Connect RP-Initiated Logout
        1.0); None if the provider has no such address. Raises `ProviderError`."""
        endpoint = (await self._addresses()).end_session_endpoint
        if endpoint is None:
            return None
        parameters = {
            "client_id": self._settings.client_id,
            "post_logout_redirect_uri": self._settings.after_log_out_uri,
        }
        if len(id_token) <= ID_TOKEN_CHARACTERS_MAX:
            parameters["id_token_hint"] = id_token
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"

    def _identity(self, claims: Mapping[str, Any], nonce: str) -> Identity:
        settings, now_s = self._settings, self._now_s()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        faults = {
            "iss": claims.get("iss") != settings.issuer,
            "aud": settings.client_id not in audiences,
            "azp": claims.get("azp", settings.client_id if len(audiences) == 1 else None) != settings.client_id,
            "exp": not _is_number(claims.get("exp")) or claims["exp"] + LEEWAY_S < now_s,
            "iat": not _is_number(claims.get("iat")) or claims["iat"] - LEEWAY_S > now_s,
            "nonce": claims.get("nonce") != nonce,
            "sub": not isinstance(claims.get("sub"), str) or not claims["sub"],
        }
        if wrong := [name for name, is_wrong in faults.items() if is_wrong]:
            raise ProviderError(f"the token's {', '.join(wrong)} cannot be accepted")
        return Identity(claims["sub"], claims)

    async def _addresses(self) -> _Known:
        if self._known is not None and self._now_s() - self._known.known_at_s < KEPT_S:
            return self._known
        issuer = self._settings.issuer
        found = await self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration", None)
        if found.get("issuer") != issuer:
            raise ProviderError(f"the provider calls itself {found.get('issuer')!r}, not {issuer!r}")
        urls = [str(found.get(name, "")) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if unsafe := [url for url in urls if not is_safe_url(url)]:
            raise ProviderError(f"the provider's address {unsafe[0]!r} is not HTTPS")
        end_session = found.get("end_session_endpoint")
        if end_session is not None and not is_safe_url(str(end_session)):
            raise ProviderError(f"the provider's address {str(end_session)!r} is not HTTPS")
        try:
            keys = KeySet.import_key_set(await self._json(urls[2], None))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderError(f"the keys of the provider cannot be read: {error}") from error
        log_out = None if end_session is None else str(end_session)
        self._known = _Known(urls[0], urls[1], log_out, keys, self._now_s())
        return self._known

    async def _json(self, url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
        try:
            found = json.loads(await self._fetch(url, form))
        except (OSError, ValueError) as error:
            raise ProviderError(f"{url}: {error_text(error)}") from error
        if not isinstance(found, dict):
            raise ProviderError(f"{url}: the answer is no JSON object")
        return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
