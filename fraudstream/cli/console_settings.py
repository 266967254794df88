"""[console]: the web console."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.cli.secret_file import secret_of_file

if TYPE_CHECKING:
    from fraudstream.console.access.openid_settings import OpenIdSettings
    from fraudstream.console.access.roles import Role
    from fraudstream.console.rules.changes import FourEyes
    from fraudstream.console.settings import ServerSettings

SECRET_CHARACTERS_MIN: Final = 32

FileName = Annotated[str, Meta(min_length=1)]


class ConsoleSettings(msgspec.Struct, frozen=True):
    """[console]"""

    host: Annotated[str, Meta(min_length=1, description="address of the web console; by default loopback only")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65_535, description="port of the web console; 0: any free one")] = 8460
    https: Annotated[
        bool,
        Meta(description="browsers reach the console by HTTPS, of a proxy or its own; required beyond loopback"),
    ] = False
    tls_certificate_file: Annotated[
        FileName | None, Meta(description="PEM file of the console's own certificate, for HTTPS without a proxy")
    ] = None
    tls_key_file: Annotated[FileName | None, Meta(description="PEM file of that certificate's key, unencrypted")] = None
    trusted_proxies: Annotated[
        str,
        Meta(description="addresses of proxies, separated by commas, whose X-Forwarded-* headers count"),
    ] = ""
    time_zone: Annotated[
        str, Meta(min_length=1, description="zone of the times on pages, as in the IANA database: Asia/Shanghai")
    ] = "UTC"
    idle_minutes: Annotated[
        int, Meta(ge=1, le=1_440, description="a session ends after this many minutes without a use")
    ] = 60
    session_hours: Annotated[
        int, Meta(ge=1, le=168, description="a session ends this many hours after its log-in at the latest")
    ] = 12
    may_activate: Annotated[
        bool,
        Meta(description="rules, thresholds, models and list entries can be changed in the console, once approved"),
    ] = False
    four_eyes: Annotated[
        str,
        Meta(
            description="changes that somebody else than their author has to approve, separated by commas: rules (with "
            "thresholds and models), lists; empty: none"
        ),
    ] = "rules,lists"
    trial_hours: Annotated[
        int, Meta(ge=1, le=744, description="a draft of a rule is tried on the payments of the last so many hours")
    ] = 24
    trial_warm_up_days: Annotated[
        int, Meta(ge=0, le=366, description="days of the payments topic before these that only fill the state")
    ] = 30
    trial_file: Annotated[
        FileName | None, Meta(description="file of payments to try drafts on, in place of the payments topic")
    ] = None
    trial_mapping: Annotated[
        FileName | None, Meta(description="column mapping of console.trial_file: a shipped name or a .yaml file")
    ] = None
    index_directory: Annotated[
        str,
        Meta(
            description="directory of the index of cases, on a local disk; empty: a temporary one, built at each start"
        ),
    ] = ""

    reference_secret_file: Annotated[
        FileName | None,
        Meta(
            description="file with the secret of links to accounts and of their pseudonyms in the audit log; without "
            "one, Redis keeps a secret"
        ),
    ] = None
    api_requests_per_minute: Annotated[
        int, Meta(ge=1, le=1_000_000, description="requests to the API that a token may make a minute")
    ] = 600

    public_url: Annotated[
        str | None, Meta(description="how browsers reach the console, such as https://console.bank.example")
    ] = None
    openid_issuer: Annotated[
        str | None, Meta(description="provider of OpenID Connect at which users log in, as its tokens name it")
    ] = None
    openid_client_id: Annotated[str | None, Meta(description="the console's client id at the provider")] = None
    openid_client_secret_file: Annotated[
        FileName | None, Meta(description="file with the client's secret; without it the client is public")
    ] = None
    openid_roles: Annotated[
        str, Meta(description="role by value of the claim: 'fraud-analysts=analyst, fraud-leads=senior'")
    ] = ""
    openid_roles_claim: Annotated[str, Meta(min_length=1, description="claim that holds the values")] = "groups"
    openid_name_claim: Annotated[str, Meta(min_length=1, description="claim that holds the user's name")] = (
        "preferred_username"
    )

    def server_settings(self, audit_topic: str = "audit", file_bytes_max: int = 10_000_000) -> ServerSettings:
        """The settings of the web server. Raises `Failure` for those that contradict each other."""
        from fraudstream.console.settings import ServerSettings

        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise Failure("console.tls_certificate_file and console.tls_key_file: set both, or neither.")
        https = self.https or self.tls_certificate_file is not None
        if not https and not _is_loopback(self.host):
            raise Failure(
                f"console.host {self.host} is not loopback: passwords would cross the network unencrypted. Set "
                "console.tls_certificate_file and console.tls_key_file, or console.https behind a proxy with HTTPS."
            )
        return ServerSettings(
            host=self.host,
            port=self.port,
            https=https,
            tls_certificate_file=self.tls_certificate_file,
            tls_key_file=self.tls_key_file,
            trusted_proxies=self.trusted_proxies,
            zone=_zone(self.time_zone),
            idle_s=self.idle_minutes * 60,
            session_s=self.session_hours * 3600,
            audit_topic=audit_topic,
            file_bytes_max=file_bytes_max,
            api_requests_per_minute=self.api_requests_per_minute,
            openid=self._openid(),
            may_activate=self.may_activate,
            four_eyes=_four_eyes(self.four_eyes),
            reference_secret=self.reference_secret(),
            index_directory=Path(self.index_directory) if self.index_directory else None,
        )

    def reference_secret(self) -> bytes | None:
        """The secret of the file; None if none is set. Raises `Failure`."""
        if self.reference_secret_file is None:
            return None
        secret = secret_of_file("console.reference_secret_file", self.reference_secret_file)
        if len(secret) < SECRET_CHARACTERS_MIN:
            raise Failure(
                f"console.reference_secret_file {self.reference_secret_file}: has {len(secret)} characters: take "
                f"{SECRET_CHARACTERS_MIN} at least, such as those of `openssl rand -hex 32`."
            )
        return secret.encode()

    def _openid(self) -> OpenIdSettings | None:
        """Raises `Failure` for settings that are incomplete or unsafe."""
        from fraudstream.console.access.openid_settings import OpenIdSettings

        if self.openid_issuer is None:
            return None
        if self.openid_client_id is None or self.public_url is None:
            raise Failure("console.openid_issuer needs console.openid_client_id and console.public_url.")
        for name, url in (("openid_issuer", self.openid_issuer), ("public_url", self.public_url)):
            if urlsplit(url).scheme != "https" and not _is_loopback(urlsplit(url).hostname or ""):
                raise Failure(f"console.{name} {url}: must be https://, as tokens cross the network.")
        secret_file = self.openid_client_secret_file
        return OpenIdSettings(
            issuer=self.openid_issuer,
            client_id=self.openid_client_id,
            client_secret=None
            if secret_file is None
            else secret_of_file("console.openid_client_secret_file", secret_file),
            redirect_uri=f"{self.public_url.rstrip('/')}/login/openid/callback",
            roles=_roles(self.openid_roles),
            roles_claim=self.openid_roles_claim,
            name_claim=self.openid_name_claim,
        )


def _roles(text: str) -> dict[str, Role]:
    """Role by value of the claim. Raises `Failure`."""
    from fraudstream.console.access.roles import ROLES

    roles = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        value, _, name = part.rpartition("=")
        role = next((each for each in ROLES if each == name.strip()), None)
        if role is None or not value.strip():
            raise Failure(f"console.openid_roles: {part[:60]!r} is not VALUE=ROLE. Roles: {', '.join(ROLES)}.")
        roles[value.strip()] = role
    if not roles:
        raise Failure("console.openid_roles: nobody could log in. Name a role: 'fraud-analysts=analyst'.")
    return roles


def _four_eyes(text: str) -> tuple[FourEyes, ...]:
    """Raises `Failure`."""
    from fraudstream.console.rules.changes import FourEyes

    named = [part.strip() for part in text.split(",") if part.strip()]
    kinds: tuple[FourEyes, ...] = get_args(FourEyes)
    for name in named:
        if name not in kinds:
            raise Failure(f"console.four_eyes: there is no '{name[:40]}'. Choose from: {', '.join(kinds)}.")
    return tuple(kind for kind in kinds if kind in named)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Failure(f"console.time_zone {name}: there is no such time zone.") from None
