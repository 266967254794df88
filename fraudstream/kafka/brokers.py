"""Addresses and credentials of the Kafka brokers in one value, from which every client is configured."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any, Literal

import msgspec

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class BrokersError(Exception):
    """The settings for the brokers cannot be used. `sentence` says what is wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Brokers(msgspec.Struct, frozen=True):
    """How to connect to a Kafka cluster.

    `servers`: host:port, separated by commas. `mechanism`, `username`, `password`: for SASL protocols. `cafile`: PEM
    file of the authorities that sign the brokers' certificates, None for the system's; `certfile`, `keyfile`: PEM files
    of the client certificate, if the listener requires one; all three for TLS protocols.
    """

    servers: str
    protocol: SecurityProtocol = "PLAINTEXT"
    mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = None
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None

    def __str__(self) -> str:
        return self.servers

    def __repr__(self) -> str:
        """Without the password, as this may be logged."""
        return f"Brokers({self.servers!r}, {self.protocol!r}, username={self.username!r})"

    @property
    def sasl(self) -> bool:
        """Whether clients authenticate with SASL."""
        return self.protocol.startswith("SASL")

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted with TLS."""
        return self.protocol.endswith("SSL")

    @property
    def guarded(self) -> bool:
        """Whether the listener may authenticate clients and apply ACLs; never true for the embedded broker."""
        return self.protocol != "PLAINTEXT"

    @property
    def user(self) -> str:
        """Our identity for messages, such as "user 'worker'"."""
        if self.sasl:
            return f"user '{self.username}'"
        return f"the certificate in {self.certfile}" if self.certfile is not None else "an anonymous client"

    def options(self) -> dict[str, Any]:
        """Keyword arguments of aiokafka's consumers, producers and admin clients. Raises `BrokersError`."""
        return {"bootstrap_servers": self.servers, **self.security()}

    def security(self) -> dict[str, Any]:
        """The part of `options` for authentication and encryption. Raises `BrokersError`."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.tls:
            options["ssl_context"] = _context(self.cafile, self.certfile, self.keyfile)
        if self.sasl:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options


@lru_cache(maxsize=4)
def _context(cafile: str | None, certfile: str | None, keyfile: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise BrokersError(
            f"kafka.ssl_cafile {cafile}: no PEM file of certificates can be read: {_why(error)}."
        ) from error
    if certfile is not None:
        try:
            # An empty password: else OpenSSL asks for that of an encrypted key at the terminal.
            context.load_cert_chain(certfile, keyfile, password="")
        except OSError as error:
            raise BrokersError(
                f"kafka.ssl_certfile {certfile}, kafka.ssl_keyfile {keyfile}: no PEM certificate with its key, "
                f"unencrypted, can be read: {_why(error)}."
            ) from error
    return context


def _why(error: OSError) -> str:
    return str(error.strerror or error).rstrip(".")
