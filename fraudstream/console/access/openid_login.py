"""Log-ins at a provider of OpenID Connect: the authorization code flow with PKCE.

    openid:<digest of state>   what the answer must match, as JSON; used once, for `WAIT_S` at most

A log-in belongs to the browser that began it, so nobody can be logged in as somebody else. The user that it makes has
no password, and belongs to the subject at this issuer: no local user of that name and no other subject becomes it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
from typing import Final, Literal

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX
from fraudstream.console.access.openid_provider import OpenIdProvider, ProviderError
from fraudstream.console.access.openid_settings import OpenIdSettings
from fraudstream.console.access.sessions import Session, SessionStore
from fraudstream.console.access.tokens import ACTOR_START
from fraudstream.console.access.users import User, UserStore

WAIT_S: Final = 600
_NAME_CHARACTERS_MAX: Final = 128
_RANDOM_BYTES: Final = 32

OpenIdRefusal = Literal["state", "provider", "role", "name"]

log = logging.getLogger(__name__)


class OpenIdRefusedError(Exception):
    """The log-in was refused. `code`: "state": it did not begin in this browser, or too long ago; "provider": the
    provider's answer cannot be accepted; "role": it gives no role; "name": the name is another's. `name`: if known."""

    def __init__(self, code: OpenIdRefusal, name: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.name = name


class FinishedLogin(msgspec.Struct, frozen=True):
    """A log-in that has succeeded. `wanted`: the page that was asked for."""

    session: Session
    wanted: str


class _Begun(msgspec.Struct, frozen=True):
    """A log-in that has begun. `browser`: digest of the secret in the browser's cookie."""

    browser: str
    nonce: str
    verifier: str
    wanted: str


class OpenIdLogin:
    """Logs users in. Methods raise what Redis raises."""

    def __init__(
        self,
        settings: OpenIdSettings,
        provider: OpenIdProvider,
        redis: Redis,
        users: UserStore,
        sessions: SessionStore,
    ) -> None:
        self._settings, self._provider, self._redis = settings, provider, redis
        self._users, self._sessions = users, sessions

    async def begin(self, browser_secret: bytes, wanted: str) -> str:
        """The address at the provider. Raises `OpenIdRefusedError`."""
        state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
        begun = _Begun(_digest(browser_secret), nonce, verifier, wanted)
        try:
            url = await self._provider.log_in_url(state, nonce, challenge_of(verifier))
        except ProviderError as error:
            raise self._refused(error) from error
        await self._redis.set(_key(state), msgspec.json.encode(begun), ex=WAIT_S)
        return url

    async def finish(self, browser_secret: bytes | None, state: str, code: str) -> FinishedLogin:
        """A new session, for the answer that the browser has brought. Raises `OpenIdRefusedError`."""
        kept = await self._redis.getdel(_key(state))
        begun = None if kept is None else msgspec.json.decode(kept, type=_Begun)
        if begun is None or browser_secret is None or not hmac.compare_digest(begun.browser, _digest(browser_secret)):
            raise OpenIdRefusedError("state")
        try:
            identity = await self._provider.identity(code, begun.verifier, begun.nonce)
        except ProviderError as error:
            raise self._refused(error) from error
        name = identity.claims.get(self._settings.name_claim) or identity.subject
        if not isinstance(name, str) or not _is_name(name):
            raise OpenIdRefusedError("name")
        role = self._settings.role_of(identity.claims)
        if role is None:
            raise OpenIdRefusedError("role", name)
        subject = f"{self._settings.issuer} {identity.subject}"
        known = await self._users.find(name)
        if known is not None and known.subject != subject:
            raise OpenIdRefusedError("name", name)
        team = None if known is None else known.team
        await self._users.put(User(name, role, "", team=team, subject=subject))
        return FinishedLogin(await self._sessions.create(name, identity.id_token), begun.wanted)

    async def log_out_url(self, session: Session) -> str | None:
        """Where the user of a session logs out at the provider. None if they have not logged in there, it has no such
        address, or does not answer: the session here has to end all the same."""
        id_token = await self._sessions.id_token(session)
        if id_token is None:
            return None
        try:
            return await self._provider.log_out_url(id_token)
        except ProviderError as error:
            log.error("log-out at %s: %s", self._settings.issuer, error)
            return None

    def _refused(self, error: ProviderError) -> OpenIdRefusedError:
        log.error("log-in at %s: %s", self._settings.issuer, error)
        return OpenIdRefusedError("provider")


def challenge_of(verifier: str) -> str:
    """The challenge of PKCE, S256 (RFC 7636, appendix B).

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _NAME_CHARACTERS_MAX and name.isprintable() and not name.startswith(ACTOR_START)


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _key(state: str) -> str:
    return f"{PREFIX}openid:{hashlib.sha256(state.encode(errors='replace')).hexdigest()}"
