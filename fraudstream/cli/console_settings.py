"""[console]: the web console."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure

if TYPE_CHECKING:
    from fraudstream.console.settings import ServerSettings

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

    api_requests_per_minute: Annotated[
        int, Meta(ge=1, le=1_000_000, description="requests to the API that a token may make a minute")
    ] = 600

    def server_settings(self, audit_topic: str = "audit") -> ServerSettings:
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
            api_requests_per_minute=self.api_requests_per_minute,
        )


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
