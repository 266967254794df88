"""A provider of OpenID Connect in this process: discovery, keys, codes and tokens, which a test may forge."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from fraudstream.console.access.openid_login import challenge_of
from fraudstream.console.access.openid_settings import OpenIdSettings

ISSUER = "https://id.bank.example/realms/fraud"
CALLBACK = "http://console.test/login/openid/callback"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)


class ProviderUnderTest:
    """`claims`: of the next token, over the ordinary ones. `sign`: how it is signed."""

    def __init__(self, now_s: float) -> None:
        self.settings = OpenIdSettings(
            issuer=ISSUER,
            client_id="console",
            client_secret="s3cret",
            redirect_uri=CALLBACK,
            roles={"fraud-analysts": "analyst", "fraud-leads": "senior"},
        )
        self.now_s = now_s
        self.claims: dict[str, Any] = {}
        self.key = KEY
        self.sign: Callable[[dict[str, Any]], str] = self._signed
        self.discovery = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/certs",
            "end_session_endpoint": f"{ISSUER}/logout",
        }
        self.tokens: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def code_for(self, url: str) -> dict[str, str]:
        """What the browser brings back once the user has logged in at `url`: code and state."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{ISSUER}/auth?")
        assert asked["redirect_uri"] == CALLBACK
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    async def fetch(self, url: str, form: Mapping[str, str] | None) -> bytes:
        """Answer the console."""
        match url.removeprefix(ISSUER):
            case "/.well-known/openid-configuration":
                return json.dumps(self.discovery).encode()
            case "/certs":
                return json.dumps({"keys": [self.key.as_dict(private=False)]}).encode()
            case "/token" if form is not None:
                return json.dumps({"id_token": self._token(form), "token_type": "Bearer"}).encode()
            case _:
                raise OSError("404")

    def _token(self, form: Mapping[str, str]) -> str:
        asked = self._codes.pop(form["code"], None)  # a code is used once
        if asked is None or challenge_of(form["code_verifier"]) != asked["code_challenge"]:
            raise OSError("400 invalid_grant")
        assert (form["client_id"], form["client_secret"]) == ("console", "s3cret")
        claims = {
            "iss": ISSUER,
            "aud": "console",
            "sub": "subject-1",
            "iat": int(self.now_s),
            "exp": int(self.now_s) + 300,
            "nonce": asked["nonce"],
            "preferred_username": "ann",
            "groups": ["everybody", "fraud-analysts"],
        }
        self.tokens.append(
            self.sign({name: value for name, value in (claims | self.claims).items() if value is not None})
        )
        return self.tokens[-1]
