"""What is said of brokers that do not answer: real errors of the client, and each of its kinds without a message."""

from __future__ import annotations

import pytest
from aiokafka import errors
from aiokafka.client import AIOKafkaClient

from fraudstream.kafka import Brokers
from fraudstream.kafka.error_text import kafka_error_text


async def test_where_no_broker_listens_the_addresses_are_named() -> None:
    client = AIOKafkaClient(**Brokers("127.0.0.1:1,127.0.0.1:2").options())
    with pytest.raises(errors.KafkaConnectionError) as raised:
        await client.bootstrap()
    await client.close()
    said = kafka_error_text(raised.value)
    assert said.startswith("no broker answers at 127.0.0.1:")
    assert all(address in said for address in ("127.0.0.1:1", "127.0.0.1:2"))


@pytest.mark.parametrize("kind", [each for name in errors.__all__ if isinstance(each := getattr(errors, name), type)])
def test_an_error_without_a_message_has_words(kind: type[Exception]) -> None:
    said = kafka_error_text(kind())
    assert said
    assert kind.__name__ not in said


def test_the_message_of_an_error_stands_alone() -> None:
    assert kafka_error_text(errors.UnknownTopicOrPartitionError("payments")) == "payments"
    assert kafka_error_text(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")) == "Connection refused"
