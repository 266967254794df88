"""Settings of log-ins at a provider of OpenID Connect."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fraudstream.console.access.roles import ROLES, Role
from fraudstream.contracts.hidden_fields import repr_without


class OpenIdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`issuer`: of the provider, as its tokens name it. `redirect_uri`: of the console, as the provider knows it.
    `client_secret`: None for a public client, which PKCE alone protects. `roles`: role by value of `roles_claim`."""

    issuer: str
    client_id: str
    redirect_uri: str
    roles: Mapping[str, Role]
    roles_claim: str = "groups"
    name_claim: str = "preferred_username"
    client_secret: str | None = None

    def __repr__(self) -> str:
        """Without the secret, as this may be logged."""
        return repr_without(self, "client_secret")

    @property
    def after_log_out_uri(self) -> str:
        """Where the provider leads the browser after a log-out: the console's log-in."""
        return self.redirect_uri.removesuffix("/openid/callback")

    def role_of(self, claims: Mapping[str, object]) -> Role | None:
        """The role of somebody with these claims: of several the one that comes last in `ROLES`. None without one."""
        given = claims.get(self.roles_claim)
        values = given if isinstance(given, list) else [given]
        found = {self.roles[value] for value in values if isinstance(value, str) and value in self.roles}
        return max(found, key=ROLES.index, default=None)
