"""Settings of the web server. `fraudstream console` fills them from the command line's settings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, get_args
from zoneinfo import ZoneInfo

import msgspec

from fraudstream.console.access.openid_settings import OpenIdSettings
from fraudstream.console.rules.changes import FourEyes
from fraudstream.console.rules.trials import TrialSettings
from fraudstream.contracts.hidden_fields import repr_without
from fraudstream.stream.settings import StreamSettings


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the web server.

    `host`, `port`: where it listens; port 0 is any free one. `https`: browsers reach it by HTTPS, its own
    (`tls_certificate_file`, `tls_key_file`) or a proxy's; then cookies are sent over HTTPS alone. `trusted_proxies`:
    addresses, separated by commas, whose `X-Forwarded-*` headers count. `zone`: of the times on pages. A session ends
    `idle_s` after its last use, and `session_s` after its log-in at the latest. `audit_topic`: of the audit log.
    `api_requests_per_minute`: that a token of the API may make. `openid`: the provider where users log in, if any.
    `may_activate`: whether rules and lists can be changed here. `four_eyes`: of what a second person has to approve
    changes. `file_bytes_max`: of a file of a case. `index_directory`: of the index of cases; None: a temporary one, so
    that every start reads the whole topic. `reference_secret`: of `access.references`; None: Redis keeps one.
    """

    host: str = "127.0.0.1"
    port: int = 8460
    https: bool = False
    tls_certificate_file: str | None = None
    tls_key_file: str | None = None
    trusted_proxies: str = ""
    zone: ZoneInfo = ZoneInfo("UTC")
    idle_s: int = 3600
    session_s: int = 12 * 3600
    audit_topic: str = "audit"
    api_requests_per_minute: int = 600
    openid: OpenIdSettings | None = None
    index_directory: Path | None = None
    may_activate: bool = False
    file_bytes_max: int = 10_000_000
    four_eyes: tuple[FourEyes, ...] = get_args(FourEyes)
    reference_secret: bytes | None = None

    def __repr__(self) -> str:
        """Without the secret, as this may be logged."""
        return repr_without(self, "reference_secret")


class RuleSettings(NamedTuple):
    """What the pages of rules need. `stream`: how the topic of controls is read; `directory`: of rules, for the test
    cases in it; `trials`: how drafts are tried."""

    stream: StreamSettings
    directory: Path
    trials: TrialSettings
