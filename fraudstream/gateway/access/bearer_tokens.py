"""Access tokens of a provider (OAuth 2 client credentials): JSON Web Tokens, verified by the keys that it publishes.

Source: RFC 7519, RFC 9068.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fraudstream.contracts.error_text import error_text
from fraudstream.openid.fetching import Fetch, is_safe_url

ALGORITHMS: Final = ["RS256", "PS256", "ES256"]  # never "none", never one with a shared secret
LEEWAY_S: Final = 60
KEPT_S: Final = 600  # how long keys are used before they are asked for again
NEW_KEYS_S: Final = 30  # and at least, however many tokens fail
TOKEN_CHARACTERS_MAX: Final = 8_192


class TokenError(Exception):
    """The token proves nothing. The text says why."""


class ProviderAwayError(Exception):
    """The keys of the provider cannot be had. The text says why."""


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`issuer`: as its tokens name it. `audience`: of the gateway, in its tokens. `keys_url`: of its JSON Web Key Set.
    `subject_claim`: what names the client."""

    issuer: str
    audience: str
    keys_url: str
    subject_claim: str = "sub"


class BearerTokens:
    """Verifies tokens of one provider. `now_s`: the clock, seconds since the epoch."""

    def __init__(self, settings: ProviderSettings, fetch: Fetch, now_s: Callable[[], float]) -> None:
        self._settings, self._fetch, self._now_s = settings, fetch, now_s
        self._keys: KeySet | None = None
        self._fetched_at_s = float("-inf")
        self._fetching = asyncio.Lock()

    async def subject(self, token: str) -> str:
        """Whom a token names. Raises `TokenError`, `ProviderAwayError`."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise TokenError("the token is too long")
        keys = await self._current_keys(KEPT_S)
        try:
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError) as first:
            newer = await self._current_keys(NEW_KEYS_S)  # the provider may have changed its keys
            if newer is keys:
                raise TokenError(f"its signature does not hold: {type(first).__name__}") from first
            try:
                claims = jwt.decode(token, newer, algorithms=ALGORITHMS).claims
            except (JoseError, ValueError) as error:
                raise TokenError(f"its signature does not hold: {type(error).__name__}") from error
        return self._subject(claims)

    def _subject(self, claims: dict[str, Any]) -> str:
        settings, now_s = self._settings, self._now_s()
        audience = claims.get("aud")
        subject = claims.get(settings.subject_claim)
        begins = claims.get("nbf", 0)
        faults = {
            "iss": claims.get("iss") != settings.issuer,
            "aud": settings.audience not in (audience if isinstance(audience, list) else [audience]),
            "exp": not _is_number(claims.get("exp")) or claims["exp"] + LEEWAY_S < now_s,
            "nbf": not _is_number(begins) or begins - LEEWAY_S > now_s,
            settings.subject_claim: not isinstance(subject, str) or not subject,
        }
        if wrong := [name for name, is_wrong in faults.items() if is_wrong]:
            raise TokenError(f"its {', '.join(wrong)} cannot be accepted")
        return str(subject)

    async def _current_keys(self, age_s_max: float) -> KeySet:
        async with self._fetching:
            if self._keys is not None and self._now_s() - self._fetched_at_s < age_s_max:
                return self._keys
            try:
                found = json.loads(await self._fetch(self._settings.keys_url, None))
                self._keys = KeySet.import_key_set(found)
            except (OSError, JoseError, ValueError, KeyError, TypeError) as error:
                if self._keys is not None:
                    return self._keys  # those of before are better than none
                raise ProviderAwayError(f"{self._settings.keys_url}: {error_text(error)}") from error
            self._fetched_at_s = self._now_s()
            return self._keys


def check_provider(settings: ProviderSettings) -> str | None:
    """What is wrong with the settings, in a sentence; None if nothing is."""
    if not is_safe_url(settings.keys_url):
        return f"the provider's address {settings.keys_url!r} is not HTTPS"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
