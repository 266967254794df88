"""How Faust's own clients are let in by the brokers."""

from __future__ import annotations

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from fraudstream.kafka import Brokers


def credentials(brokers: Brokers) -> Credentials | None:
    """Faust's form of `Brokers.security`. Raises `BrokersError`."""
    told = brokers.security()
    context = told.get("ssl_context")
    if brokers.sasl:
        return SASLCredentials(
            username=brokers.username, password=brokers.password, ssl_context=context, mechanism=brokers.mechanism
        )
    return SSLCredentials(context) if brokers.tls else None
