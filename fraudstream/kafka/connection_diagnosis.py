"""Why no client of ours gets in: aiokafka says only that it could not connect, so knock once and listen."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from fraudstream.kafka.brokers import Brokers

ANSWER_S_MAX = 5.0
_PROTOCOL = "Set kafka.security_protocol as the broker's listener has it, and kafka.ssl_certfile if it asks for one."


async def unreachable(brokers: Brokers) -> str:
    """The sentence for a client that could not connect: what a broker says to it, or that none answers."""
    answer = await _knock(brokers)
    return (
        answer.sentence
        if answer is not None
        else (f"no broker answers at {brokers}: is the cluster up, and is kafka.bootstrap_servers right?")
    )


async def refusal(brokers: Brokers) -> str | None:
    """Why a broker refuses us, and what to do; None if none says no, or what it does may pass: nobody there, or hung up
    on us as a broker does that goes down."""
    answer = await _knock(brokers)
    return answer.sentence if answer is not None and answer.final else None


class _Answer(NamedTuple):
    sentence: str
    final: bool


async def _knock(brokers: Brokers) -> _Answer | None:
    for server in brokers.servers.split(","):
        if (answer := await _answer_of(server.strip(), brokers)) is not None:
            return answer
    return None


async def _answer_of(server: str, brokers: Brokers) -> _Answer | None:
    """What a broker says to us; None if nothing, or that we may come in."""
    host, _, port = server.rpartition(":")
    try:
        connection = await create_conn(
            host.strip("[]"), int(port), request_timeout_ms=round(ANSWER_S_MAX * 1000), **brokers.security()
        )
        try:
            await connection.send(MetadataRequest([]))
        finally:
            connection.close()
    except SaslAuthenticationFailed:
        return _Answer(
            f"Kafka at {server} does not let {brokers.user} in by {brokers.mechanism}: it is unknown, or the password "
            "is wrong. Set kafka.sasl_username, kafka.sasl_password (or kafka.sasl_password_file), "
            "kafka.sasl_mechanism.",
            final=True,
        )
    except UnsupportedSaslMechanismError as error:
        return _Answer(
            f"Kafka at {server} does not take {brokers.mechanism}: {_text(error)}. Set kafka.sasl_mechanism.",
            final=True,
        )
    except ssl.SSLCertVerificationError as error:
        return _Answer(
            f"the certificate of Kafka at {server} is not to be trusted: {error.verify_message}. Set kafka.ssl_cafile "
            "to the authority that signed it.",
            final=True,
        )
    except ssl.SSLError as error:
        return _Answer(f"Kafka at {server} breaks off TLS: {_text(error)}. {_PROTOCOL}", final=False)
    except (ConnectionRefusedError, TimeoutError):
        return None
    except (KafkaError, ConnectionError):
        return _Answer(
            f"Kafka at {server} hangs up on a client that speaks {brokers.protocol}. {_PROTOCOL}", final=False
        )
    except (OSError, ValueError):  # no such host, no such port
        return None
    return None


def _text(error: Exception) -> str:
    return str(error).rstrip(".")
