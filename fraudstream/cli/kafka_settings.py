"""[kafka]: the brokers' addresses, and how clients authenticate."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.cli.secret_file import secret_of_file
from fraudstream.contracts.hidden_fields import repr_without
from fraudstream.kafka.brokers import Brokers, BrokersError, SaslMechanism, SecurityProtocol

Text = Annotated[str, Meta(min_length=1)]
SECRET = {"secret": True}  # `fraudstream config` and errors do not show the value


class KafkaSettings(msgspec.Struct, frozen=True):
    """[kafka]"""

    bootstrap_servers: Annotated[
        str, Meta(min_length=1, description="brokers to connect to first: host:port, separated by commas")
    ] = "127.0.0.1:9092"
    security_protocol: Annotated[
        SecurityProtocol, Meta(description="of the brokers' listener: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        SaslMechanism, Meta(description="how SASL checks the password: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
    ] = "SCRAM-SHA-512"
    sasl_username: Annotated[Text | None, Meta(description="user name for SASL")] = None
    sasl_password: Annotated[Text | None, Meta(description="password of that user", extra=SECRET)] = None
    sasl_password_file: Annotated[
        Text | None, Meta(description="file that holds the password, read at every start; in place of sasl_password")
    ] = None
    ssl_cafile: Annotated[
        Text | None, Meta(description="PEM file of the certificate authorities to trust; by default the system's")
    ] = None
    ssl_certfile: Annotated[
        Text | None, Meta(description="PEM file of the client certificate, if brokers require one")
    ] = None
    ssl_keyfile: Annotated[Text | None, Meta(description="PEM file of its key, unencrypted")] = None

    def __repr__(self) -> str:
        """Without the secret, as this may be logged."""
        return repr_without(self, "sasl_password")

    def brokers(self) -> Brokers:
        """The configuration of all Kafka clients. Raises `Failure` where settings contradict each other or a file is
        unreadable."""
        self._check()
        brokers = Brokers(
            servers=self.bootstrap_servers,
            protocol=self.security_protocol,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password=self._password(),
            cafile=self.ssl_cafile,
            certfile=self.ssl_certfile,
            keyfile=self.ssl_keyfile,
        )
        try:
            brokers.options()
        except BrokersError as error:
            raise Failure(error.sentence) from error
        return brokers

    def _check(self) -> None:
        sasl, tls = self.security_protocol.startswith("SASL"), self.security_protocol.endswith("SSL")
        passwords = [self.sasl_password, self.sasl_password_file]
        if sasl and (self.sasl_username is None or passwords.count(None) != 1):
            raise Failure(
                f"kafka.security_protocol {self.security_protocol} needs kafka.sasl_username and one of "
                "kafka.sasl_password and kafka.sasl_password_file."
            )
        if not sasl and (self.sasl_username, *passwords) != (None, None, None):
            raise Failure(
                f"kafka.sasl_username and its password are not used with kafka.security_protocol "
                f"{self.security_protocol}: set SASL_SSL or SASL_PLAINTEXT, or leave them out."
            )
        if not tls and (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile) != (None, None, None):
            raise Failure(
                f"kafka.ssl_cafile, ssl_certfile and ssl_keyfile are not used with kafka.security_protocol "
                f"{self.security_protocol}: set SSL or SASL_SSL, or leave them out."
            )
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise Failure("kafka.ssl_certfile and kafka.ssl_keyfile go together: a certificate and its key.")

    def _password(self) -> str | None:
        if self.sasl_password_file is None:
            return self.sasl_password
        return secret_of_file("kafka.sasl_password_file", self.sasl_password_file)
