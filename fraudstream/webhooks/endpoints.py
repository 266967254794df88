"""Where webhooks go: the endpoints of the file that `webhooks.file` names.

    version: 1
    endpoints:
      - name: case-tool                    # of its consumer group, metrics and logs
        url: https://hooks.bank.example/fraud
        events: [case.opened, case.closed, case.escalated, alert]
        secret_file: /run/secrets/case-tool  # whsec_…; a second line while the secret is being replaced
        identifiers: true                  # whole account ids; by default their ends alone
        private: true                      # the host may have an address that is not public
        from_beginning: true               # at the first start: with what the topics hold, not with what comes

Pure, but for `read_endpoints`.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
import yaml
from msgspec import Meta

from fraudstream.contracts.error_text import read_error_text
from fraudstream.webhooks.addresses import may_send_to
from fraudstream.webhooks.signature import SecretError, parse_secret

EventKind = Literal["case.opened", "case.closed", "case.escalated", "alert"]
ENDPOINTS_MAX: Final = 50
SECRETS_MAX: Final = 2


class EndpointsError(Exception):
    """A file that cannot be used; the message is a sentence with the file and the place."""


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One endpoint. Raises `ValueError` for a URL that webhooks may not go to."""

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,49}$")]
    url: str
    events: Annotated[tuple[EventKind, ...], Meta(min_length=1)]
    secret_file: Annotated[str, Meta(min_length=1)]
    identifiers: bool = False
    private: bool = False
    from_beginning: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.fragment:
            raise ValueError(f"`url` of {self.name} is an https:// URL without user and fragment")
        if parts.scheme != "https" and not self.is_loopback:
            raise ValueError(f"`url` of {self.name} must be https://, except on this machine")
        if _is_address(host) and not may_send_to(host, private=self.private, loopback=self.is_loopback):
            raise ValueError(
                f"`url` of {self.name}: webhooks may not go to {host}; `private` permits private addresses"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether the URL names this machine."""
        host = urlsplit(self.url).hostname or ""
        return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


class SignedEndpoint(msgspec.Struct, frozen=True):
    """An endpoint with its secrets, the newest first. Its `repr` has no secret."""

    endpoint: Endpoint
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"SignedEndpoint({self.endpoint!r}, {len(self.secrets)} secrets)"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    endpoints: Annotated[tuple[Endpoint, ...], Meta(min_length=1, max_length=ENDPOINTS_MAX)]

    def __post_init__(self) -> None:
        names = [endpoint.name for endpoint in self.endpoints]
        if len(set(names)) < len(names):
            raise ValueError(f"an endpoint is named twice: {', '.join(names)}")


def read_endpoints(path: Path) -> list[SignedEndpoint]:
    """The endpoints of a YAML file, with the secrets of the files that it names. Raises `EndpointsError`."""
    try:
        file = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _File)
    except (OSError, UnicodeDecodeError) as error:
        raise EndpointsError(f"{path}: cannot be read: {read_error_text(error)}.") from error
    except yaml.YAMLError as error:
        raise EndpointsError(f"{path}: is not YAML: {' '.join(str(error).split())}.") from error
    except msgspec.ValidationError as error:
        raise EndpointsError(f"{path}: {str(error).rstrip('.')}.") from error
    return [SignedEndpoint(endpoint, _secrets(path, endpoint)) for endpoint in file.endpoints]


def _secrets(path: Path, endpoint: Endpoint) -> tuple[bytes, ...]:
    file = path.parent / endpoint.secret_file
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not 1 <= len(lines) <= SECRETS_MAX:
            raise EndpointsError(f"{file}: has {len(lines)} secrets: one a line, {SECRETS_MAX} at most.")
        return tuple(map(parse_secret, lines))
    except (OSError, UnicodeDecodeError) as error:
        raise EndpointsError(
            f"{file}: the secret of {endpoint.name} cannot be read: {read_error_text(error)}."
        ) from error
    except SecretError as error:
        raise EndpointsError(f"{file}: {error}") from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
