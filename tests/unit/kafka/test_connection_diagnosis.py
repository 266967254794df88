"""What a failed connection means, as a sentence with what to do. The connection is a stand-in."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from fraudstream.kafka import Brokers, connection_diagnosis
from fraudstream.kafka.connection_diagnosis import refusal, unreachable

BROKERS = Brokers("b:9093", "SASL_PLAINTEXT", username="worker", password="secret")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets every connection fail with an error."""

    def fail_with(error: Exception) -> None:
        async def create_conn(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(connection_diagnosis, "create_conn", create_conn)

    return fail_with


@pytest.mark.parametrize(
    ("error", "sentence", "permanent"),
    [
        (
            SaslAuthenticationFailed("denied"),
            "SCRAM-SHA-512 authentication failed for user 'worker' at b:9093: unknown user or wrong password. ",
            True,
        ),
        (
            UnsupportedSaslMechanismError("PLAIN only."),
            "the broker at b:9093 does not support SASL mechanism SCRAM-SHA-512: ",
            True,
        ),
        (ssl.SSLError("wrong version"), "the TLS handshake with the broker at b:9093 failed: ", False),
        (
            KafkaConnectionError("closed"),
            "the broker at b:9093 closed the connection of a client that uses SASL_PLAINTEXT. Set kafka.security_",
            False,
        ),
        (ConnectionRefusedError(), "no broker answers at b:9093: is the cluster up, and is kafka.bootstrap_", False),
        (OSError("no such host"), "no broker answers at b:9093", False),
    ],
)
async def test_a_failed_connection_has_a_sentence_and_only_permanent_faults_are_refusals(
    failing: Any, error: Exception, sentence: str, permanent: bool
) -> None:
    failing(error)
    assert (await unreachable(BROKERS)).startswith(sentence)
    refused = await refusal(BROKERS)
    assert (refused is not None) is permanent
    assert "secret" not in (refused or "")
