"""The credentials of Faust's own clients."""

from __future__ import annotations

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from fraudstream.kafka import Brokers


def credentials(brokers: Brokers) -> Credentials | None:
    """`Brokers.security` as Faust takes it; None for brokers without authentication. Raises `BrokersError`."""
    security = brokers.security()
    context = security.get("ssl_context")
    if brokers.sasl:
        return SASLCredentials(
            username=brokers.username, password=brokers.password, ssl_context=context, mechanism=brokers.mechanism
        )
    return SSLCredentials(context) if brokers.tls else None
