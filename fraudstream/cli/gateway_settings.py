"""[gateway]: decisions over HTTP."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.contracts.error_text import read_error_text

if TYPE_CHECKING:
    from fraudstream.gateway.access.bearer_tokens import ProviderSettings
    from fraudstream.gateway.fallback import FallbackRules

FileName = Annotated[str, Meta(min_length=1)]


class GatewaySettings(msgspec.Struct, frozen=True):
    """[gateway]"""

    host: Annotated[str, Meta(min_length=1, description="address of the gateway; by default loopback only")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65_535, description="port of the gateway; 0: any free one")] = 8470
    instance: Annotated[
        str,
        Meta(
            max_length=200,
            description=(
                "name of this gateway, the same after a restart: it determines the partition of topics.replies that it "
                "reads; by default the host's name and the port"
            ),
        ),
    ] = ""
    clients_file: Annotated[
        FileName | None,
        Meta(description="YAML file of the clients with the digests of their API keys; required beyond loopback"),
    ] = None
    tls_certificate_file: Annotated[
        FileName | None, Meta(description="PEM file of the gateway's certificate, for HTTPS without a proxy")
    ] = None
    tls_key_file: Annotated[FileName | None, Meta(description="PEM file of that certificate's key, unencrypted")] = None
    client_ca_file: Annotated[
        FileName | None, Meta(description="PEM file of the authorities whose client certificates are accepted (mTLS)")
    ] = None
    require_client_certificate: Annotated[bool, Meta(description="refuse connections without a client certificate")] = (
        False
    )
    https: Annotated[
        bool, Meta(description="clients reach the gateway by HTTPS of a proxy; required beyond loopback")
    ] = False
    token_issuer: Annotated[
        str | None, Meta(description="OAuth 2 provider whose access tokens are accepted, as its tokens name it")
    ] = None
    token_audience: Annotated[str | None, Meta(description="audience that these tokens must have")] = None
    token_keys_url: Annotated[str | None, Meta(description="address of the provider's JSON Web Key Set")] = None
    token_subject_claim: Annotated[str, Meta(min_length=1, description="claim that names the client")] = "sub"
    deadline_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="how long a request waits for its decision, unless it says otherwise")
    ] = 250
    deadline_ms_max: Annotated[int, Meta(ge=1, le=60_000, description="longest wait that a request may ask for")] = (
        10_000
    )
    timeout_outcome: Annotated[
        Literal["allow", "review", "block"],
        Meta(description="outcome named where no decision comes in time: allow fails open, block fails closed"),
    ] = "review"
    timeout_rules: Annotated[
        FileName | None, Meta(description="YAML file with that outcome by kind, channel and amount")
    ] = None
    in_flight_max: Annotated[
        int, Meta(ge=1, le=100_000, description="payments that may wait at once; further ones are answered 429")
    ] = 2_000
    body_bytes_max: Annotated[int, Meta(ge=1_024, le=16_777_216, description="bytes of a request's body")] = 1_048_576
    batch_payments_max: Annotated[int, Meta(ge=1, le=5_000, description="payments of a request")] = 500
    kept_minutes: Annotated[
        int, Meta(ge=1, le=1_440, description="for so long a decision can be asked for by its event_id")
    ] = 15
    kept_max: Annotated[
        int,
        Meta(ge=1, le=10_000_000, description="decisions kept for that, those that came too late and others each"),
    ] = 100_000
    drain_s: Annotated[
        int, Meta(ge=1, le=300, description="how long a stop waits for the requests that were taken before")
    ] = 12

    def check(self) -> None:
        """Raises `Failure` for settings that contradict each other or are unsafe."""
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise Failure("gateway.tls_certificate_file and gateway.tls_key_file: set both, or neither.")
        if self.tls_certificate_file is None and (self.client_ca_file or self.require_client_certificate):
            raise Failure("gateway.client_ca_file needs gateway.tls_certificate_file and gateway.tls_key_file.")
        if self.require_client_certificate and self.client_ca_file is None:
            raise Failure("gateway.require_client_certificate needs gateway.client_ca_file.")
        if self.deadline_ms > self.deadline_ms_max:
            raise Failure("gateway.deadline_ms is more than gateway.deadline_ms_max.")
        if is_loopback(self.host):
            return
        if self.clients_file is None:
            raise Failure(
                f"gateway.host {self.host} is not loopback: anybody could ask. Set gateway.clients_file "
                "(`fraudstream gateway new-key` makes API keys)."
            )
        if self.tls_certificate_file is None and not self.https:
            raise Failure(
                f"gateway.host {self.host} is not loopback: API keys and payments would cross the network unencrypted. "
                "Set gateway.tls_certificate_file and gateway.tls_key_file, or gateway.https behind a proxy with HTTPS."
            )

    def name(self, port: int) -> str:
        """The name of this gateway. `port`: that it listens at."""
        return self.instance or f"{socket.gethostname()}:{port}"

    def fallback(self) -> FallbackRules:
        """What is said where no decision comes in time. Raises `Failure`."""
        from fraudstream.gateway.fallback import FallbackError, FallbackRules, read_fallback_rules

        if self.timeout_rules is None:
            return FallbackRules(self.timeout_outcome)
        try:
            with open(self.timeout_rules, encoding="utf-8") as file:
                return read_fallback_rules(file.read(), self.timeout_rules)
        except FallbackError as error:
            raise Failure(f"gateway.timeout_rules: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"gateway.timeout_rules {self.timeout_rules}: {read_error_text(error)}.") from error

    def provider(self) -> ProviderSettings | None:
        """The OAuth 2 provider. Raises `Failure` for settings that are incomplete or unsafe."""
        from fraudstream.gateway.access.bearer_tokens import ProviderSettings, check_provider

        if self.token_issuer is None:
            return None
        if self.token_audience is None or self.token_keys_url is None:
            raise Failure("gateway.token_issuer needs gateway.token_audience and gateway.token_keys_url.")
        if self.clients_file is None:
            raise Failure("gateway.token_issuer needs gateway.clients_file, which says what each subject may do.")
        provider = ProviderSettings(
            issuer=self.token_issuer,
            audience=self.token_audience,
            keys_url=self.token_keys_url,
            subject_claim=self.token_subject_claim,
        )
        if (fault := check_provider(provider)) is not None:
            raise Failure(f"gateway.token_keys_url: {fault}.")
        return provider


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
