"""Why a client cannot connect. aiokafka only says that it could not, so this opens one connection and reads the
reason."""

from __future__ import annotations

import ssl
from typing import Final, NamedTuple

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from fraudstream.kafka.brokers import Brokers
from fraudstream.kafka.error_text import kafka_error_text

ANSWER_S_MAX: Final = 5.0
_SET_PROTOCOL: Final = (
    "Set kafka.security_protocol to that of the broker's listener, and kafka.ssl_certfile if the listener requires "
    "client certificates."
)


async def unreachable(brokers: Brokers) -> str:
    """Why a client could not connect, as a sentence: the broker's reason, or that no broker answers."""
    diagnosis = await _diagnose(brokers)
    if diagnosis is not None:
        return diagnosis.sentence
    return f"no broker answers at {brokers}: is the cluster up, and is kafka.bootstrap_servers right?"


async def refusal(brokers: Brokers) -> str | None:
    """Why a broker permanently rejects us, as a sentence with what to do.

    None if no broker rejects us, or if a retry may succeed: no broker answers, or the broker closed the connection, as
    one that shuts down does.
    """
    diagnosis = await _diagnose(brokers)
    return diagnosis.sentence if diagnosis is not None and diagnosis.permanent else None


class _Diagnosis(NamedTuple):
    """`permanent`: a retry with the same settings would fail again."""

    sentence: str
    permanent: bool


async def _diagnose(brokers: Brokers) -> _Diagnosis | None:
    """The first diagnosis that one of the bootstrap servers gives; None if none of them gives one."""
    for server in brokers.servers.split(","):
        if (diagnosis := await _connect_to(server.strip(), brokers)) is not None:
            return diagnosis
    return None


async def _connect_to(server: str, brokers: Brokers) -> _Diagnosis | None:
    """Connect to one server and request metadata; None if that works, or if the server does not answer."""
    host, _, port = server.rpartition(":")
    try:
        connection = await create_conn(
            host.strip("[]"), int(port), request_timeout_ms=round(ANSWER_S_MAX * 1000), **brokers.security()
        )
        try:
            await connection.send(MetadataRequest([]))
        finally:
            connection.close()
    except (KafkaError, OSError, ValueError) as error:  # ValueError: no such port
        return _diagnosis_of(error, server, brokers)
    return None


def _diagnosis_of(error: Exception, server: str, brokers: Brokers) -> _Diagnosis | None:
    """The meaning of an error in `_connect_to`; None for a server that does not answer."""
    match error:
        case SaslAuthenticationFailed():
            sentence = (
                f"{brokers.mechanism} authentication failed for {brokers.user} at {server}: unknown user or wrong "
                "password. Set kafka.sasl_username, kafka.sasl_password (or kafka.sasl_password_file), "
                "kafka.sasl_mechanism."
            )
            return _Diagnosis(sentence, permanent=True)
        case UnsupportedSaslMechanismError():
            sentence = f"the broker at {server} does not support SASL mechanism {brokers.mechanism}"
            sentence = f"{sentence}: {kafka_error_text(error)}. Set kafka.sasl_mechanism."
            return _Diagnosis(sentence, permanent=True)
        case ssl.SSLCertVerificationError():
            sentence = f"the TLS certificate of the broker at {server} is not trusted: {error.verify_message}."
            return _Diagnosis(f"{sentence} Set kafka.ssl_cafile to the authority that signed it.", permanent=True)
        case ssl.SSLError():
            sentence = (
                f"the TLS handshake with the broker at {server} failed: {kafka_error_text(error)}. {_SET_PROTOCOL}"
            )
            return _Diagnosis(sentence, permanent=False)
        case ConnectionRefusedError() | TimeoutError():
            return None
        case KafkaError() | ConnectionError():
            sentence = f"the broker at {server} closed the connection of a client that uses {brokers.protocol}."
            return _Diagnosis(f"{sentence} {_SET_PROTOCOL}", permanent=False)
        case _:  # no such host
            return None
